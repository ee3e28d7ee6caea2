/** `GET`, `PUT` and `DELETE /compute`: jobs of a Provider, and their stop. Operator-Service API §2 to §4. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import { renderClassicJob } from '../classic/jobView.ts';
import { readRequestData } from '../classic/requestData.ts';
import { Refusal } from '../problems.ts';
import { exactText, requireAttributes, requireData, withPrefix } from './callData.ts';
import { findNamedJobs, pageSize, readNamedJobs } from './jobs.ts';
import { base, type OperatorDeps, type OperatorRoute } from './ports.ts';
import { operatorJobs, operatorStop } from './schemas.ts';
import { formsAboutJobs, readNonce, spendProviderNonce, verifyProvider } from './signature.ts';

/** `[]` for jobs of others, as for what does not exist. */
export const readOperatorStatus = (deps: OperatorDeps): RequestHandler =>
  async function readOperatorStatus(_req, res) {
    const { exact } = requireData(res);
    const named = readNamedJobs(exact);
    if (Object.values(named).every((key) => key === undefined)) {
      throw new Refusal(400, 'You have to specify one of agreementId, jobId or owner');
    }
    requireAttributes(exact, ['providerSignature', 'nonce'], 'GET:/compute');
    const nonce = readNonce(exact);
    const [owner, jobId] = [exactText(exact['owner']) ?? '', exactText(exact['jobId']) ?? ''];
    const forms = formsAboutJobs(exact, nonce, { withNonce: nonce + owner + jobId });
    const caller = verifyProvider(deps, { signature: exact['providerSignature'], nonce, forms });
    await withPrefix('Error getting the status: ', () => spendProviderNonce(deps, caller));
    const rows = await findNamedJobs(deps, caller.provider, named);
    res.set('Cache-Control', 'no-store').json(rows.map(renderClassicJob));
  };

/** Stops every job that matches, in whatever phase it is; one that has ended stays as it is. */
export const stopOperatorCompute = (deps: OperatorDeps): RequestHandler =>
  async function stopOperatorCompute(_req, res) {
    const { exact } = requireData(res);
    requireAttributes(exact, ['owner', 'providerSignature', 'nonce'], 'PUT:/compute');
    const nonce = readNonce(exact);
    const forms = formsAboutJobs(exact, nonce, { withNonce: nonce });
    const caller = verifyProvider(deps, { signature: exact['providerSignature'], nonce, forms });
    await withPrefix('Exception when stopping compute job: ', () => spendProviderNonce(deps, caller));
    // without an owner that can be one, everybody's would match
    const named = readNamedJobs(exact);
    const owned = { ...named, owner: named.owner ?? null };
    for (const { jobId, finishedAtMs } of await findNamedJobs(deps, caller.provider, owned)) {
      if (finishedAtMs !== null) continue;
      await deps.ledger.requestStop(jobId);
      await deps.jobs.stop(jobId);
    }
    res.json((await findNamedJobs(deps, caller.provider, owned)).map(renderClassicJob));
  };

/** Has no effect, as ever: results expire by themselves. */
export const deleteOperatorCompute: RequestHandler = function deleteOperatorCompute(_req, res) {
  res.json('');
};

const signedQuery = {
  providerSignature: z.string(),
  nonce: z.string(),
  agreementId: z.string().optional(),
  jobId: z.string().optional(),
  chainId: z.string().optional(),
};

export const operatorStatusRoute: OperatorRoute = {
  method: 'get',
  path: `${base}/compute`,
  id: 'getComputeStatus',
  summary: 'Jobs of the Provider that match every key',
  description: `Signed by the Provider: \`owner + jobId + nonce\`. At least one of agreementId, jobId and owner; at most the ${pageSize} newest jobs. Everything may be in a JSON body instead.`,
  query: z.object({ ...signedQuery, owner: z.string().optional() }),
  answers: { 200: { description: 'Matching jobs', contentType: 'application/json', schema: operatorJobs } },
  refusals: [400, 401, 405, 413, 415, 503],
  refuseHead: true,
  handle: (deps) => [...readRequestData(deps.limits.jsonBytes), readOperatorStatus(deps)],
};

export const stopOperatorRoute: OperatorRoute = {
  method: 'put',
  path: `${base}/compute`,
  id: 'stopCompute',
  summary: 'Stop all jobs that match every key; what they have written so far is published',
  description: 'Signed by the Provider: `owner + jobId + nonce`. In the query, or in a JSON body where there is no query.',
  body: { contentType: 'application/json', schema: operatorStop },
  answers: { 200: { description: 'The jobs', contentType: 'application/json', schema: operatorJobs } },
  refusals: [400, 401, 413, 415, 503],
  handle: (deps) => [...readRequestData(deps.limits.jsonBytes), stopOperatorCompute(deps)],
};

export const deleteOperatorRoute: OperatorRoute = {
  method: 'delete',
  path: `${base}/compute`,
  id: 'deleteCompute',
  summary: 'Accepted, without an effect: results expire by themselves',
  answers: { 200: { description: 'An empty text', contentType: 'application/json', schema: z.literal('') } },
  refusals: [],
  handle: () => [deleteOperatorCompute],
};
