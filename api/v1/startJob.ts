/** `POST /api/v1/jobs`: asks for a job. */

import type { RequestHandler, Response } from 'express';
import { z } from 'zod';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { readJson, requireJsonObject } from '../body.ts';
import { requireEnvironment, requireOffered } from '../node/environments.ts';
import { openRegistryAuth } from '../node/sealedFields.ts';
import type { ApiDeps, JobRow, StartVerdict } from '../ports.ts';
import { rememberedVerdict } from '../rememberedVerdict.ts';
import type { Route } from '../route.ts';
import { addressOf, requireToken } from './access.ts';
import { readJobRequest, readOutputTarget, specOf } from './jobRequest.ts';
import { detail } from './jobView.ts';
import { CodedRefusal } from './problem.ts';
import { digestOf, keyedJobId, readKey } from './requestKey.ts';
import { jobDetails, jobRequest, type JobRequest } from './schemas.ts';

type StartDeps = Pick<ApiDeps, 'ledger' | 'jobs' | 'assets' | 'environments' | 'withdrawals' | 'takesRegistryCredentials'>;

interface Asked {
  readonly address: string;
  readonly jobId: string;
  readonly request: JobRequest;
  readonly requestDigest: string;
}

interface Started {
  readonly isNew: boolean;
  readonly verdict: StartVerdict;
}

const keyReused = (): CodedRefusal =>
  new CodedRefusal('IdempotencyKeyReused', 422, 'This Idempotency-Key was used before, with another request');

/**
 * Reserves the job under its key, then has it judged. What is refused before the reservation leaves nothing behind:
 * the same request is judged anew. What was reserved gets its remembered verdict, or the one on the same start.
 */
const start = async (deps: StartDeps, asked: Asked): Promise<Started> => {
  const { ledger, jobs, environments, withdrawals } = deps;
  const { address, jobId, request, requestDigest } = asked;
  const known = await ledger.readJob(jobId);
  if (known !== null && (await ledger.readRequestDigest(jobId)) !== requestDigest) throw keyReused();
  const remembered = known && rememberedVerdict(known);
  if (remembered) return { isNew: false, verdict: remembered };
  const environment = requireEnvironment(environments, request.environment);
  await requireOffered(withdrawals, environment);
  const registryCredentials = openRegistryAuth(deps, request.encryptedDockerRegistryAuth);
  const target = readOutputTarget(deps.assets, request);
  const spec = specOf({ request, jobId, address, environment, registryCredentials, target });
  const { kind } = await ledger.reserveKeyedJob({ spec, requestDigest });
  if (kind === 'other') throw keyReused();
  return { isNew: kind === 'new', verdict: await jobs.start({ spec, environment }) };
};

const answer = (res: Response, row: JobRow, { isNew, verdict }: Started): void => {
  const accepted = isNew ? 201 : 200;
  res
    .status(verdict.kind === 'accepted' ? accepted : 202)
    .location(`/api/v1/jobs/${row.jobId}`)
    .set('Cache-Control', 'no-store')
    .json(detail(row, Date.now()));
};

/** 201 with the accepted job, 200 for one that was accepted before, 202 while that is not known yet. */
export const startJob = (deps: StartDeps): RequestHandler =>
  async function startJob(req, res) {
    const address = addressOf(res);
    const key = readKey(req.get('idempotency-key'));
    const { exact, plain } = requireJsonObject(req);
    const asked = { address, jobId: keyedJobId(address, key), request: readJobRequest(plain), requestDigest: digestOf(exact) };
    const started = await start(deps, asked);
    if (started.verdict.kind === 'refused') throw new JobFailure(started.verdict.type, started.verdict.message);
    const row = await deps.ledger.readJob(asked.jobId);
    if (row === null) throw new Error(`job ${asked.jobId} was started but is not in the ledger`);
    answer(res, row, started);
  };

const answerWith = (description: string) => ({ description, contentType: 'application/json', schema: jobDetails });

export const startJobRoute: Route = {
  method: 'post',
  path: '/api/v1/jobs',
  id: 'startJob',
  summary: 'Start a job',
  description:
    'Send an `Idempotency-Key` and repeat the request as often as needed: it is the same job. The key belongs to the request for ever; a refused one is refused again under it.',
  headers: z.object({ 'Idempotency-Key': z.string().min(1).max(255).optional() }),
  body: { contentType: 'application/json', schema: jobRequest },
  answers: {
    200: answerWith('The job that was accepted before under this key'),
    201: answerWith('The accepted job'),
    202: answerWith('Not judged yet: repeat the same request, or follow the job'),
  },
  refusals: [400, 401, 403, 404, 409, 413, 415, 422, 503],
  needsToken: true,
  handle: (deps) => [requireToken(deps), ...readJson(deps.limits.jsonBytes), startJob(deps)],
};
