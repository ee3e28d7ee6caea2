/** `POST /api/services/compute`: asks for a job. Classic Provider API §6 and §7. */

import type { RequestHandler } from 'express';
import { unknownEnvironment } from '../../infra/environments/classicOffer.ts';
import { findEnvironment } from '../../infra/environments/environments.ts';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { deriveJobId } from '../jobId.ts';
import { requireOffered } from '../node/environments.ts';
import type { ComputeEnvironment, StartVerdict } from '../ports.ts';
import { readLegacyAsset, type AskedAsset } from '../publishing.ts';
import { rememberedVerdict } from '../rememberedVerdict.ts';
import { isEmpty, required, requiredWithout, valueAt } from './fields.ts';
import {
  readClassicAlgorithm,
  readClassicDataset,
  requireClassicEnvironment,
  toClassicSpec,
  type ClassicJobRequest,
} from './jobRequest.ts';
import { renderClassicJob } from './jobView.ts';
import type { ClassicDeps, ClassicRoute } from './ports.ts';
import { CodedProblem } from './problems.ts';
import { dataOf, readRequestData, signedPart } from './requestData.ts';
import { classicJobs, classicStart } from './schemas.ts';
import { spendCall, verifyCall, type ClassicCaller } from './signature.ts';

type Data = Readonly<Record<string, unknown>>;

/** Either field of a pair is enough. */
export const algorithmRules = {
  'algorithm.documentId': [requiredWithout('algorithm.meta')],
  'algorithm.meta': [requiredWithout('algorithm.documentId')],
};

const rules = {
  'dataset.documentId': [required],
  'dataset.serviceId': [required],
  'dataset.transferTxId': [required],
  ...algorithmRules,
};

/** Row 1 of the checks; ocean.py names the list `additionalInputs`. */
const readAdditional = ({ additionalDatasets, additionalInputs }: Data): readonly unknown[] => {
  const list = additionalDatasets ?? additionalInputs;
  if (isEmpty(list)) return [];
  if (!Array.isArray(list)) throw new CodedProblem({ resource: 'additional_input', code: 'invalid' });
  return list;
};

/** Row 24: a text that is not JSON is refused; of the rest only the asset counts that the outputs are to become. */
const readOutput = ({ output }: Data, { assets }: Pick<ComputeEnvironment, 'assets'>): AskedAsset | null => {
  try {
    const parsed: unknown = typeof output === 'string' && output !== '' ? JSON.parse(output) : output;
    // clients ask for it by habit: where no assets are made, nothing of it can be wrong
    return assets === undefined ? null : readLegacyAsset(parsed);
  } catch {
    throw new CodedProblem({ resource: 'output', code: 'invalid' });
  }
};

const readJobRequest = (data: Data): ClassicJobRequest => ({
  datasets: [data['dataset'], ...readAdditional(data)].map(readClassicDataset),
  algorithm: readClassicAlgorithm(data['algorithm']),
});

const messageOf = (data: Data): string =>
  [data['consumerAddress'], data['jobId'], valueAt(data, 'dataset.documentId')].map(signedPart).join('');

interface Asked {
  readonly caller: ClassicCaller;
  readonly jobId: string;
  readonly data: Data;
}

/** Environment, then everything of §7; the job's own admission repeats it. */
const checkJob = async (deps: ClassicDeps, { caller, data }: Asked) => {
  const request = readJobRequest(data);
  const id = typeof data['environment'] === 'string' ? data['environment'] : '';
  const environment = requireClassicEnvironment(findEnvironment(deps.environments, id), unknownEnvironment);
  await requireOffered(deps.withdrawals, environment);
  const verdict = await deps.orders.check({ ...request, consumerAddress: caller.address, environment, isOrderNeeded: true });
  if (verdict.kind === 'refused') throw new CodedProblem(verdict);
  return { request, environment, asset: readOutput(data, environment) };
};

/** A request that was made before gets the same job, whatever became of its orders since. */
const startJob = async (deps: ClassicDeps, asked: Asked): Promise<StartVerdict> => {
  const { caller, jobId } = asked;
  const known = await deps.ledger.readJob(jobId);
  const remembered = known && rememberedVerdict(known);
  if (remembered) return remembered;
  await spendCall(deps, caller, jobId);
  const { request, environment, asset } = await checkJob(deps, asked);
  const spec = toClassicSpec(request, { jobId, consumerAddress: caller.address, environment, asset });
  await deps.ledger.reserveJob({ spec, nonce: caller.nonce });
  return deps.jobs.start({ spec, environment });
};

/** 200 with the job as soon as it is durable; refusals name a part of the request and a code. */
export const startClassicCompute = (deps: ClassicDeps): RequestHandler =>
  async function startClassicCompute(req, res) {
    const { exact, plain } = dataOf(res);
    const call = { data: exact, addressField: 'consumerAddress', message: messageOf(plain), token: req.get('AuthToken') };
    const caller = await verifyCall(deps, call, rules);
    const jobId = deriveJobId({ consumerAddress: caller.address, nonce: caller.nonce, request: exact });
    const verdict = await startJob(deps, { caller, jobId, data: plain });
    if (verdict.kind === 'refused') throw new JobFailure(verdict.type, verdict.message);
    const row = await deps.ledger.readJob(jobId);
    if (row === null) throw new Error(`job ${jobId} was started but is not in the ledger`);
    res.status(200).json([renderClassicJob(row)]);
  };

export const startClassicRoute: ClassicRoute = {
  method: 'post',
  path: '/api/services/compute',
  id: 'computeStart',
  summary: 'Start a job',
  description: 'Signed: `consumerAddress + jobId + dataset.documentId + nonce`. A repeated identical request gets the same job.',
  body: { contentType: 'application/json', schema: classicStart },
  answers: { 200: { description: 'The job', contentType: 'application/json', schema: classicJobs } },
  refusals: [400, 403, 413, 503],
  handle: (deps) => [...readRequestData(deps.limits.jsonBytes), startClassicCompute(deps)],
};
