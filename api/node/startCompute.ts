/** `POST /api/services/compute` and `POST /api/services/freeCompute`: asks for a job. */

import { randomUUID } from 'node:crypto';
import type { RequestHandler } from 'express';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { badAddressText, isAbsent, isAddress, spendNonce, staleNonce, verifyCaller, type Caller } from '../authentication.ts';
import { readJson, requireJsonObject, type JsonBody } from '../body.ts';
import { deriveJobId } from '../jobId.ts';
import type { ApiDeps, StartVerdict } from '../ports.ts';
import { Refusal } from '../problems.ts';
import { rememberedVerdict } from '../rememberedVerdict.ts';
import type { Route } from '../route.ts';
import { requireEnvironment, requireOffered } from './environments.ts';
import { renderJob } from './jobView.ts';
import { olderMessages, onlyIf } from './olderMessages.ts';
import { computeJobs, freeStartInput, startInput } from './schemas.ts';
import { openRegistryAuth, readSealed } from './sealedFields.ts';
import { readStartRequest, startCommand, toJobSpec, type StartRequest } from './startRequest.ts';

type StartDeps = Pick<
  ApiDeps,
  'ledger' | 'jobs' | 'assets' | 'tokens' | 'environments' | 'withdrawals' | 'acceptsOlderMessages' | 'takesRegistryCredentials'
>;

interface Asked {
  readonly caller: Caller;
  readonly jobId: string;
  readonly request: StartRequest;
  readonly isFree: boolean;
}

/**
 * Reserves the job under its nonce, then has it judged. A job that was reserved before is not reserved again: its
 * remembered verdict is the answer, or, where there is none yet, the verdict on the same start.
 */
const startJob = async (deps: StartDeps, asked: Asked): Promise<StartVerdict> => {
  const { ledger, jobs, assets, environments, withdrawals, takesRegistryCredentials } = deps;
  const { caller, jobId, request, isFree } = asked;
  const known = await ledger.readJob(jobId);
  // one nonce is good for one call: the same body sent to the other start route is another request
  if (known && known.isFree !== isFree) throw staleNonce(caller.nonce ?? '');
  const remembered = known && rememberedVerdict(known);
  if (remembered) return remembered;
  const whatIsAsked = async () => {
    const environment = requireEnvironment(environments, request.environment);
    await requireOffered(withdrawals, environment);
    const { asset, target: output } = readSealed(assets, request);
    const registryCredentials = openRegistryAuth({ assets, takesRegistryCredentials }, request['encryptedDockerRegistryAuth']);
    const consumerAddress = caller.address;
    const spec = toJobSpec({ request, jobId, consumerAddress, environment, isFree, asset, output, registryCredentials });
    return { environment, spec };
  };
  const { spec, environment } = await whatIsAsked().catch(async (err: unknown) => {
    // a nonce is good for one request, also for one that is refused before it is reserved; what is not possible just now is not refused
    const isRefused = err instanceof Refusal && err.status < 500;
    if (isRefused) await spendNonce({ ledger }, caller, jobId);
    throw err;
  });
  const reservation = await ledger.reserveJob({ spec, nonce: caller.nonce });
  if (reservation.kind === 'stale') throw staleNonce(caller.nonce ?? '');
  return jobs.start({ spec, environment });
};

/** Signature problems come before everything but the shape of the request. */
const verifyStart = async (
  deps: StartDeps,
  { exact }: JsonBody,
  claim: { isFree: boolean; authorization: string | undefined; firstDataset: unknown },
): Promise<Caller> => {
  const { consumerAddress, nonce, signature, chainId } = exact;
  if (!isAbsent(consumerAddress) && !isAddress(consumerAddress)) throw new Refusal(400, badAddressText);
  const older = claim.isFree ? olderMessages.freeStart() : olderMessages.start(claim.firstDataset);
  const otherMessages = onlyIf(deps.acceptsOlderMessages, older);
  const signed = { consumerAddress, nonce, signature, chainId, authorization: claim.authorization, otherMessages };
  return verifyCaller(deps, signed, startCommand(claim.isFree));
};

/**
 * 200 with the job once the order is accepted, 202 while that is still unknown (repeat the request), a refusal
 * otherwise. A repeated identical request gets the same job or the same refusal.
 */
export const startCompute = (deps: StartDeps, isFree: boolean): RequestHandler =>
  async function startCompute(req, res) {
    const body = requireJsonObject(req);
    const request = readStartRequest(body.plain, isFree);
    const caller = await verifyStart(deps, body, {
      isFree,
      authorization: req.get('authorization'),
      firstDataset: (request.datasets?.[0] ?? request.dataset)?.documentId,
    });
    // a token's call carries no nonce that is spent: a fresh one takes its place, so each is a new job
    const nonce = caller.nonce ?? randomUUID();
    const jobId = deriveJobId({ consumerAddress: caller.address, nonce, request: body.exact });
    const verdict = await startJob(deps, { caller, jobId, request, isFree });
    if (verdict.kind === 'refused') throw new JobFailure(verdict.type, verdict.message);
    const row = await deps.ledger.readJob(jobId);
    if (row === null) throw new Error(`job ${jobId} was started but is not in the ledger`);
    res.status(verdict.kind === 'accepted' ? 200 : 202).json([renderJob(row)]);
  };

const answers: Route['answers'] = {
  200: { description: 'The accepted job', contentType: 'application/json', schema: computeJobs },
  202: { description: 'Not judged yet: repeat the same request', contentType: 'application/json', schema: computeJobs },
};

export const startComputeRoute: Route = {
  method: 'post',
  path: '/api/services/compute',
  id: 'startCompute',
  summary: 'Start a paid job',
  description:
    'Signed: `consumerAddress + nonce + "startCompute"`, or with a token. A repeated identical signed request gets the same job.',
  body: { contentType: 'application/json', schema: startInput },
  answers,
  refusals: [400, 401, 403, 404, 409, 413, 503],
  errorShape: 'text',
  handle: (deps) => [...readJson(deps.limits.jsonBytes), startCompute(deps, false)],
};

export const freeComputeRoute: Route = {
  method: 'post',
  path: '/api/services/freeCompute',
  id: 'startFreeCompute',
  summary: 'Start a free job where the environment offers them',
  description:
    'Signed: `consumerAddress + nonce + "freeStartCompute"`, or with a token. Trust rules hold as for paid jobs; nothing is ordered.',
  body: { contentType: 'application/json', schema: freeStartInput },
  answers,
  refusals: [400, 401, 403, 404, 409, 413, 503],
  errorShape: 'text',
  handle: (deps) => [...readJson(deps.limits.jsonBytes), startCompute(deps, true)],
};
