/** `POST /api/v1/checks`: would this job be accepted? Starts nothing, spends nothing, tells all reasons at once. */

import { randomBytes } from 'node:crypto';
import type { RequestHandler } from 'express';
import { isJobFailure } from '../../workflows/contract/failures.ts';
import type { OutputTarget } from '../../workflows/contract/output.ts';
import type { PaymentMeans } from '../../workflows/contract/spec.ts';
import { readJson, requireJsonObject } from '../body.ts';
import { requireEnvironment, requireOffered } from '../node/environments.ts';
import { openRegistryAuth } from '../node/sealedFields.ts';
import { readAlgorithm, readDataset, readPayment, readResources } from '../node/requestParts.ts';
import type { ApiDeps, ComputeEnvironment } from '../ports.ts';
import { Refusal } from '../problems.ts';
import { refuseDeliveredAsset, refuseEncryptedAsset, requireAssetOffer } from '../publishing.ts';
import type { Route } from '../route.ts';
import { addressOf, requireToken } from './access.ts';
import type { ProblemCode } from './hints.ts';
import { readJobRequest, readOutputTarget, unpaidSpecOf } from './jobRequest.ts';
import { reasonOf } from './problem.ts';
import { checkAnswer, jobRequest, type CheckAnswer, type JobRequest, type Reason } from './schemas.ts';

type CheckDeps = Pick<
  ApiDeps,
  'ledger' | 'assets' | 'environments' | 'withdrawals' | 'takesRegistryCredentials' | 'outputTargets' | 'deliveryRefusal'
>;

interface Question {
  readonly request: JobRequest;
  readonly address: string;
  readonly environment: ComputeEnvironment;
}

const judge = async (code: ProblemCode, check: () => unknown): Promise<readonly Reason[]> => {
  try {
    await check();
    return [];
  } catch (err) {
    if (err instanceof Refusal) return [reasonOf(code, err.message)];
    throw err;
  }
};

/** Resources one by one, so that each that is too large is named. */
const judgeResources = async ({ request: { free, resources }, environment }: Question): Promise<readonly Reason[]> => {
  const question = { environment, isFree: free };
  const reasons = await Promise.all(resources.map((resource) => judge('NotEnoughResources', () => readResources(question, [resource]))));
  return reasons.flat();
};

/** How a job is paid whose resources can be given, or why it cannot be paid so. */
const judgeMeans = async ({ request, environment }: Question): Promise<{ means: PaymentMeans | null; reasons: readonly Reason[] }> => {
  if (request.free) return { means: null, reasons: [] };
  let means: PaymentMeans | null = null;
  const asked = { chainId: request.payment?.chainId ?? request.chainId, token: request.payment?.token };
  const resources = readResources({ environment, isFree: false }, request.resources);
  const reasons = await judge('PaymentInvalid', () => (means = readPayment(environment, resources, asked)));
  return { means, reasons };
};

/** May the outputs go elsewhere? Asks nobody there. */
const judgeDelivery = async (
  { assets, deliveryRefusal }: CheckDeps,
  { request, environment }: Question,
  refuseAsset: () => void,
): Promise<readonly Reason[]> => {
  let target: OutputTarget | null = null;
  const unreadable = await judge('RequestInvalid', () => (target = readOutputTarget(assets, request)));
  if (target === null) return unreadable;
  const refusal = deliveryRefusal({ environment, isEncrypted: request.encryption !== undefined });
  return [...(await judge('RequestInvalid', refuseAsset)), ...(refusal === null ? [] : [reasonOf('RequestInvalid', refusal)])];
};

const judgeParts = async (deps: CheckDeps, question: Question): Promise<readonly Reason[]> => {
  const { request, address, environment } = question;
  const { algorithm, datasets, publishOutput, encryption, free } = request;
  const asset = publishOutput ?? null;
  const context = { environment, consumerAddress: address, isFree: free };
  const reasons = await Promise.all([
    judge('RequestInvalid', () => requireAssetOffer(asset, context)),
    judge('RequestInvalid', () => encryption && refuseEncryptedAsset(asset, context)),
    judgeDelivery(deps, question, () => refuseDeliveredAsset(asset, context)),
    judge('RequestInvalid', () => readAlgorithm(algorithm)),
    judge('RequestInvalid', () => openRegistryAuth(deps, request.encryptedDockerRegistryAuth)),
    ...datasets.map((dataset) => judge('RequestInvalid', () => readDataset(dataset))),
  ]);
  return reasons.flat();
};

/** Tries the storage out that the outputs are to go to. */
const judgeTarget = async ({ assets, outputTargets }: CheckDeps, { request }: Question): Promise<readonly Reason[]> => {
  const target = readOutputTarget(assets, request);
  if (target === null) return [];
  try {
    await outputTargets.probe(target, randomBytes(16).toString('hex'));
    return [];
  } catch (err) {
    if (isJobFailure(err)) return [reasonOf(err.type, err.message)];
    throw err;
  }
};

/** Who does not wait needs a place that is free now. */
const judgePlaces = async ({ ledger }: CheckDeps, { request, environment }: Question): Promise<readonly Reason[]> => {
  const maxJobs = request.free ? environment.free?.maxJobs : environment.maxJobs;
  if (request.queueMaxWaitTime > 0 || maxJobs === undefined) return [];
  const loads = await ledger.environmentLoads();
  const load = loads.find(({ environmentId, isFree }) => environmentId === environment.id && isFree === request.free);
  const taken = (load?.running ?? 0) + (load?.queued ?? 0);
  if (taken < maxJobs) return [];
  return [reasonOf('NoCapacity', `all ${maxJobs} places of environment ${environment.id} are taken`)];
};

const judgeAgreements = async ({ ledger }: CheckDeps, { request }: Question): Promise<readonly Reason[]> => {
  if (request.free) return [];
  const first = request.datasets.find(({ transferTxId }) => typeof transferTxId === 'string' && transferTxId !== '');
  const agreementId = first?.transferTxId ?? request.algorithm.transferTxId ?? '';
  if (agreementId === '') return [];
  const carried = await ledger.findJobs({ agreementId }, { limit: 10, offset: 0 });
  return carried.some(({ finishedAtMs }) => finishedAtMs === null)
    ? [reasonOf('AgreementInUse', 'an unfinished job runs on the order of the first dataset')]
    : [];
};

/** What the assets, their orders and rules say, and the escrow contract where resources can be given and paid. */
const judgeAssets = async ({ assets }: CheckDeps, question: Question, payment: PaymentMeans | null): Promise<readonly Reason[]> => {
  const { request, address, environment } = question;
  const jobId = randomBytes(16).toString('hex');
  const resources = payment === null ? [] : request.resources;
  const spec = { ...unpaidSpecOf({ request: { ...request, resources }, jobId, address, environment }), payment };
  return (await assets.examine(spec, environment)).map(({ type, message }) => reasonOf(type, message));
};

const grantedTo = ({ request, address, environment }: Question): CheckAnswer['granted'] => {
  const { resources, maxJobDuration, queueMaxWaitTime } = unpaidSpecOf({ request, jobId: '', address, environment });
  const longest = request.free ? (environment.free?.maxJobDuration ?? 0) : environment.maxJobDuration;
  return { resources: { ...resources }, maxJobDuration: maxJobDuration ?? longest, queueMaxWaitTime };
};

const priceOf = async ({ assets }: CheckDeps, question: Question, means: PaymentMeans | null): Promise<CheckAnswer['price']> => {
  if (means === null) return null;
  const { environment, address: payer } = question;
  const granted = grantedTo(question);
  if (granted === null) return null;
  const run = { means, payer, resources: granted.resources, runSeconds: granted.maxJobDuration, queueSeconds: granted.queueMaxWaitTime };
  try {
    const { chainId, token, escrowAddress, payee, amount, decimals, lockSeconds } = await assets.price(run, environment);
    return { chainId, token, escrowAddress, payee, amount, decimals, minLockSeconds: lockSeconds };
  } catch (err) {
    // a chain that takes no payments is among the reasons
    if (isJobFailure(err) && err.type === 'RequestInvalid') return null;
    throw err;
  }
};

const check = async (deps: CheckDeps, question: Question): Promise<CheckAnswer> => {
  const { request, environment } = question;
  const offered = await judge('EnvironmentUnavailable', () => requireOffered(deps.withdrawals, environment));
  if (request.free && environment.free === undefined) {
    const reasons = [...offered, reasonOf('FreeJobsNotOffered', `environment ${environment.id} does not support free jobs`)];
    return { accepted: false, reasons, granted: null, price: null };
  }
  const [resources, parts, places, agreements] = await Promise.all([
    judgeResources(question),
    judgeParts(deps, question),
    judgePlaces(deps, question),
    judgeAgreements(deps, question),
  ]);
  const { means, reasons: unpaid } = resources.length > 0 ? { means: null, reasons: [] } : await judgeMeans(question);
  // what names no image or no file has nothing to look at
  const found = parts.length > 0 ? [] : await judgeAssets(deps, question, means);
  const reasons = [...offered, ...resources, ...unpaid, ...parts, ...found, ...agreements, ...places];
  // as with a start, nothing is sent anywhere for what is refused anyhow
  if (reasons.length === 0) reasons.push(...(await judgeTarget(deps, question)));
  const isGranted = resources.length === 0 && parts.length === 0;
  const price = isGranted ? await priceOf(deps, question, means) : null;
  return { accepted: reasons.length === 0, reasons, granted: isGranted ? grantedTo(question) : null, price };
};

/** 200 whatever the verdict; only what cannot be read, or cannot be judged now, is refused. */
export const checkJob = (deps: CheckDeps): RequestHandler =>
  async function checkJob(req, res) {
    const address = addressOf(res);
    const request = readJobRequest(requireJsonObject(req).plain);
    res.set('Cache-Control', 'no-store');
    let environment: ComputeEnvironment | undefined;
    const unknown = await judge('EnvironmentUnknown', () => (environment = requireEnvironment(deps.environments, request.environment)));
    if (environment === undefined) res.json({ accepted: false, reasons: [...unknown], granted: null, price: null } satisfies CheckAnswer);
    else res.json(await check(deps, { request, address, environment }));
  };

export const checkJobRoute: Route = {
  method: 'post',
  path: '/api/v1/checks',
  id: 'checkJob',
  summary: 'Would this job be accepted? If not: all reasons',
  description: 'A dry run of `POST /api/v1/jobs`: nothing is started, ordered, reserved or spent.',
  body: { contentType: 'application/json', schema: jobRequest },
  answers: { 200: { description: 'The verdict', contentType: 'application/json', schema: checkAnswer } },
  refusals: [400, 401, 413, 415, 503],
  needsToken: true,
  handle: (deps) => [requireToken(deps), ...readJson(deps.limits.jsonBytes), checkJob(deps)],
};
