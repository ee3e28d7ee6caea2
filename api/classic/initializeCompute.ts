/** `POST /api/services/initializeCompute`: what a job needs to be ordered, and the fees for it. Unsigned. */

import type { RequestHandler } from 'express';
import { findEnvironment } from '../../infra/environments/environments.ts';
import { isJsonObject } from '../losslessJson.ts';
import { requireOffered } from '../node/environments.ts';
import { Refusal } from '../problems.ts';
import { address, integer, required, requireFields, valueAt } from './fields.ts';
import { readClassicAlgorithm, readClassicDataset, requireClassicEnvironment } from './jobRequest.ts';
import type { ClassicDeps, ClassicRoute } from './ports.ts';
import { CodedProblem } from './problems.ts';
import { dataOf, readRequestData, textOf } from './requestData.ts';
import { classicInitialize, classicQuote } from './schemas.ts';
import { algorithmRules } from './startCompute.ts';

type Data = Readonly<Record<string, unknown>>;

const rules = {
  datasets: [required],
  ...algorithmRules,
  'compute.env': [required],
  'compute.validUntil': [required, integer],
  consumerAddress: [required, address],
};

/** No classic client asks for more; the sum of a fee must stay a number. */
const latestTime = 2 ** 40;

const readValidUntil = (data: Data): number => {
  const validUntil = Number(valueAt(data, 'compute.validUntil'));
  if (validUntil <= Date.now() / 1_000 || validUntil > latestTime) throw new Refusal(400, 'The validUntil value is not correct.');
  return validUntil;
};

const requireDatasets = ({ datasets }: Data): readonly unknown[] => {
  if (!Array.isArray(datasets) || !datasets.every(isJsonObject)) throw new Refusal(400, 'The datasets must be a list of objects.');
  return datasets;
};

/** The quote's checks have one code for this call only: an algorithm that is none, or that nobody knows. */
const requireGood = ({ resource, code }: { readonly resource: string; readonly code: string }): never => {
  const isNoAlgorithm = resource === 'algorithm' && (code === 'not_algo' || code === 'did_not_found');
  throw isNoAlgorithm ? new Refusal(400, 'DID is not a valid algorithm') : new CodedProblem({ resource, code });
};

/** One object for each dataset in order, and one for a published algorithm. */
export const initializeClassicCompute = (deps: ClassicDeps): RequestHandler =>
  async function initializeClassicCompute(_req, res) {
    const { plain } = dataOf(res);
    requireFields(rules, plain);
    const validUntil = readValidUntil(plain);
    const id = textOf(valueAt(plain, 'compute.env')) ?? '';
    const environment = requireClassicEnvironment(findEnvironment(deps.environments, id), 'Compute environment does not exist');
    await requireOffered(deps.withdrawals, environment);
    const quote = await deps.orders.quote({
      ...{ environment, validUntil, consumerAddress: textOf(plain['consumerAddress']) ?? '' },
      datasets: requireDatasets(plain).map(readClassicDataset),
      algorithm: readClassicAlgorithm(plain['algorithm']),
    });
    res.json(quote.kind === 'good' ? quote.value : requireGood(quote));
  };

export const initializeClassicRoute: ClassicRoute = {
  method: 'post',
  path: '/api/services/initializeCompute',
  id: 'initializeCompute',
  summary: 'The orders that a job needs, with signed provider fees',
  body: { contentType: 'application/json', schema: classicInitialize },
  answers: { 200: { description: 'One object for each service', contentType: 'application/json', schema: classicQuote } },
  refusals: [400, 403, 413, 503],
  handle: (deps) => [...readRequestData(deps.limits.jsonBytes), initializeClassicCompute(deps)],
};
