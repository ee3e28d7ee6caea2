/** `PUT` and `DELETE /api/v1/jobs/{id}/retention`: the owner moves the end of a job's results. */

import type { Request, RequestHandler, Response } from 'express';
import { findEnvironment, longestStorageOf } from '../../infra/environments/environments.ts';
import { readJson, requireJsonObject } from '../body.ts';
import type { ApiDeps, JobRow } from '../ports.ts';
import { expiryText, isExpired } from '../retention.ts';
import type { Route } from '../route.ts';
import { addressOf, requireOwnJob, requireToken } from './access.ts';
import { detail } from './jobView.ts';
import { CodedRefusal } from './problem.ts';
import { jobParams } from './readJob.ts';
import { jobDetails, retentionRequest } from './schemas.ts';

type RetentionDeps = Pick<ApiDeps, 'ledger' | 'environments'>;

/** @throws Refusal 410 */
export const refuseExpired = (row: JobRow): void => {
  if (isExpired(row)) throw new CodedRefusal('ResultsExpired', 410, expiryText(row));
};

/** Results that others may have bought do not go, and nothing that they were asked to do is passed over in silence. @throws Refusal 409 */
const refusePublished = ({ asset }: JobRow): void => {
  if (typeof asset?.nftAddress !== 'string') return;
  const text = `The results are the files of the asset ${asset.did ?? `with the NFT ${asset.nftAddress}`}, so their storage has no end to move`;
  throw new CodedRefusal('ResultsPublished', 409, text);
};

/** The owner's job, with results whose end can be moved. @throws Refusal 404, 409, 410 */
const requireEnded = async ({ ledger }: RetentionDeps, req: Request, res: Response) => {
  const row = await requireOwnJob(ledger, req, addressOf(res));
  if (row.finishedAtMs === null) throw new CodedRefusal('JobNotEnded', 409, 'The job has not ended, so its results have no end yet');
  refuseExpired(row);
  refusePublished(row);
  return { ...row, finishedAtMs: row.finishedAtMs };
};

const answerWithJob = async ({ ledger }: RetentionDeps, req: Request, res: Response): Promise<void> => {
  res.set('Cache-Control', 'no-store').json(detail(await requireOwnJob(ledger, req, addressOf(res)), Date.now()));
};

/** What has been promised is kept, also when the environment promises less by now, or is gone. */
const latestFor = ({ environments }: RetentionDeps, row: JobRow & { readonly finishedAtMs: number }): number => {
  const environment = findEnvironment(environments, row.environmentId);
  const offered = environment === undefined ? 0 : row.finishedAtMs + longestStorageOf(environment) * 1_000;
  return Math.max(offered, row.expiresAtMs ?? 0);
};

/** Later, as far as the environment permits, or sooner. Safe to repeat. */
export const keepResults = (deps: RetentionDeps): RequestHandler =>
  async function keepResults(req, res) {
    const row = await requireEnded(deps, req, res);
    const until = Date.parse(retentionRequest.parse(requireJsonObject(req).plain).until);
    if (until <= Date.now()) throw new CodedRefusal('RequestInvalid', 400, 'until: has passed; DELETE ends the storage at once');
    const latest = latestFor(deps, row);
    if (until > latest) {
      throw new CodedRefusal('RequestInvalid', 400, `until: environment ${row.environmentId} keeps these results no longer than until ${new Date(latest).toISOString()}`);
    } // prettier-ignore
    // its time may have come between the look and the write: then the answer to the same request is 410
    if (!(await deps.ledger.setExpiry(row.jobId, new Date(until)))) await requireEnded(deps, req, res);
    await answerWithJob(deps, req, res);
  };

/** Nobody is shown them any more from now on; the files follow in the next round. A second call finds them gone: 410. */
export const dropResults = (deps: RetentionDeps): RequestHandler =>
  async function dropResults(req, res) {
    const { jobId } = await requireEnded(deps, req, res);
    // they may have gone, or become an asset, since the look
    if (!(await deps.ledger.setExpiry(jobId, null))) await requireEnded(deps, req, res);
    await answerWithJob(deps, req, res);
  };

const path = '/api/v1/jobs/:id/retention';
const answers = { 200: { description: 'The job', contentType: 'application/json', schema: jobDetails } };

export const keepResultsRoute: Route = {
  method: 'put',
  path,
  id: 'keepResults',
  summary: "Keep an ended job's results longer, or less long",
  description:
    'For the owner, until at most `maxStorageSeconds` of the environment after the end of the job. Files of an asset have no end: 409.',
  params: jobParams,
  body: { contentType: 'application/json', schema: retentionRequest },
  answers,
  refusals: [400, 401, 404, 409, 410, 413, 415],
  needsToken: true,
  handle: (deps) => [requireToken(deps), ...readJson(deps.limits.jsonBytes), keepResults(deps)],
};

export const dropResultsRoute: Route = {
  method: 'delete',
  path,
  id: 'dropResults',
  summary: "Remove an ended job's results, its log and what was sent with its request",
  description:
    'For the owner. What is accounted for stays: who asked for the job, orders, DIDs, status, times, sizes and digests. Files of an asset stay as well: 409.',
  params: jobParams,
  answers,
  refusals: [401, 404, 409, 410],
  needsToken: true,
  handle: (deps) => [requireToken(deps), dropResults(deps)],
};
