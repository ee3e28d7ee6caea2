/** `POST /compute`: a Provider asks for a job. Operator-Service API §3; the order of the checks is part of it. */

import type { RequestHandler } from 'express';
import { classicResources, unknownEnvironment } from '../../infra/environments/classicOffer.ts';
import { findEnvironment, isPriced } from '../../infra/environments/environments.ts';
import { isFailureType, JobFailure } from '../../workflows/contract/failures.ts';
import type { JobSpec } from '../../workflows/contract/spec.ts';
import { isAddress } from '../authentication.ts';
import { renderClassicJob } from '../classic/jobView.ts';
import { readRequestData } from '../classic/requestData.ts';
import { deriveJobId } from '../jobId.ts';
import { requireOffered } from '../node/environments.ts';
import type { ComputeEnvironment, StartVerdict } from '../ports.ts';
import { Refusal } from '../problems.ts';
import { assetPart } from '../publishing.ts';
import { exactText, readChainId, readName, requireAttributes, requireData, type Data } from './callData.ts';
import { takesChain } from './offer.ts';
import { base, type OperatorDeps, type OperatorRoute } from './ports.ts';
import { operatorJobs, operatorStart } from './schemas.ts';
import { readNonce, spendProviderNonce, verifyProvider, type ProviderCaller } from './signature.ts';
import { readWorkflowJob, requireStage, requireWorkflow, type WorkflowJob } from './workflow.ts';

const attributes = ['workflow', 'agreementId', 'owner', 'providerSignature', 'environment', 'nonce'];

interface Asked {
  readonly jobId: string;
  readonly owner: string;
  readonly agreementId: string;
  readonly environment: ComputeEnvironment;
  readonly caller: ProviderCaller;
  readonly data: Data;
}

const inUse = (): Refusal => new Refusal(400, '`agreementId` already in use for other job.');

const requireText = (value: unknown, name: string): string => {
  const text = readName(value);
  if (text === null || text === '') throw new Refusal(400, `"${name}" must be a text of at most 512 printable characters`);
  return text;
};

const requireEnvironment = ({ environments, chains }: OperatorDeps, data: Data): ComputeEnvironment => {
  const found = findEnvironment(environments, exactText(data['environment']) ?? '');
  if (found === undefined || !takesChain(found, readChainId(data), chains)) {
    throw new Refusal(400, unknownEnvironment);
  }
  return found;
};

/** The same for every repetition: the signature is no part of what was asked. */
const identify = (exact: Data, owner: string, nonce: string): string => {
  const { providerSignature: _signature, ...request } = exact;
  return deriveJobId({ consumerAddress: owner, nonce, request });
};

/** Paid time ends when the order's fee does. @returns seconds; null for the environment's own limit */
const readLimit = ({ data, environment }: Asked): number | null => {
  const validUntil = Number(exactText(data['validUntil']) ?? 0);
  if (!isPriced(environment.fees, classicResources(environment)) || !(validUntil > 0)) return null;
  const seconds = Math.floor(validUntil - Date.now() / 1_000);
  if (seconds < 1) throw new Refusal(400, 'validUntil has passed: order again, with a later one');
  return Math.min(seconds, environment.maxJobDuration);
};

const readChain = (data: Data): number | null => {
  const text = readChainId(data);
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
};

const toSpec = (asked: Asked, { datasets, algorithm, metadataUri, asset }: WorkflowJob): JobSpec => ({
  ...{ jobId: asked.jobId, consumerAddress: asked.owner, surface: 'operator', isFree: false, environmentId: asked.environment.id },
  ...{ chainId: readChain(asked.data), datasets, algorithm, resources: classicResources(asked.environment) },
  maxJobDuration: readLimit(asked),
  // Providers cannot say how long their consumers would wait
  queueMaxWaitTime: asked.environment.maxQueueTime,
  metadata: null,
  additionalViewers: [],
  provider: { providerAddress: asked.caller.provider, agreementId: asked.agreementId, metadataUri },
  ...assetPart(asset, { environment: asked.environment, consumerAddress: asked.owner, isFree: false }),
});

/** Checks 1 to 6c; the nonce is not spent yet. */
const checkCall = async (deps: OperatorDeps, { exact, plain }: ReturnType<typeof requireData>): Promise<Asked> => {
  requireAttributes(exact, attributes, 'POST:/compute');
  requireWorkflow(plain['workflow']);
  const agreementId = requireText(exact['agreementId'], 'agreementId');
  const owner = requireText(exact['owner'], 'owner');
  const nonce = readNonce(exact);
  const jobId = identify(exact, owner, nonce);
  const open = await deps.ledger.openJobOn(agreementId);
  if (open !== null && open !== jobId) throw inUse();
  const environment = requireEnvironment(deps, exact);
  const forms = { provider: owner + nonce, older: [{ text: nonce, hasNonce: true }, { text: owner, hasNonce: false }] }; // prettier-ignore
  const caller = verifyProvider(deps, { signature: exact['providerSignature'], nonce, forms });
  return { jobId, owner, agreementId, environment, caller, data: plain };
};

/** What the ledger remembers of this very request, or null when there is nothing yet. */
const rememberedVerdict = async ({ ledger }: OperatorDeps, { jobId, caller }: Asked): Promise<StartVerdict | null> => {
  const row = await ledger.readProviderJob(jobId);
  if (row === null) return null;
  if (row.providerAddress !== caller.provider.toLowerCase()) throw inUse();
  if (row.admission === 'accepted') return { kind: 'accepted' };
  if (row.admission === 'pending') return null;
  return { kind: 'refused', type: isFailureType(row.refusalType) ? row.refusalType : 'RequestInvalid', message: row.reason };
};

/** The nonce, checks 7 to 9, and the job. A request that was made before gets the same job, whatever was signed since. */
const startJob = async (deps: OperatorDeps, asked: Asked): Promise<StartVerdict> => {
  const remembered = await rememberedVerdict(deps, asked);
  if (remembered !== null) return remembered;
  await spendProviderNonce(deps, asked.caller, asked.jobId);
  const job = readWorkflowJob(requireStage(asked.data['workflow']), asked.environment.assets !== undefined);
  if (!isAddress(asked.owner)) throw new Refusal(400, '"owner" must be an address: 0x and 40 hex characters');
  await requireOffered(deps.withdrawals, asked.environment);
  const spec = toSpec(asked, job);
  const { agreementId, caller, environment } = asked;
  await deps.ledger.reserveProviderJob({ spec, agreementId, providerAddress: caller.provider, algorithmDid: job.algorithmDid });
  return deps.jobs.start({ spec, environment });
};

/** 200 with the job once it is durable; never before. */
export const startOperatorCompute = (deps: OperatorDeps): RequestHandler =>
  async function startOperatorCompute(_req, res) {
    const asked = await checkCall(deps, requireData(res));
    const verdict = await startJob(deps, asked);
    if (verdict.kind === 'refused') throw new JobFailure(verdict.type, verdict.message);
    const row = await deps.ledger.readProviderJob(asked.jobId);
    if (row === null) throw new Error(`job ${asked.jobId} was started but is not in the ledger`);
    res.status(200).json([renderClassicJob(row)]);
  };

export const startOperatorRoute: OperatorRoute = {
  method: 'post',
  path: `${base}/compute`,
  id: 'startCompute',
  summary: 'Start a job that a Provider has checked',
  description: 'Signed by the Provider: `owner + nonce`. A repeated identical request gets the same job.',
  body: { contentType: 'application/json', schema: operatorStart },
  answers: { 200: { description: 'The job', contentType: 'application/json', schema: operatorJobs } },
  refusals: [400, 401, 413, 415, 503],
  handle: (deps) => [...readRequestData(deps.limits.jsonBytes), startOperatorCompute(deps)],
};
