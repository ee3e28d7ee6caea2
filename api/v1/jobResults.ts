/** `GET /api/v1/jobs/{id}/results` and `…/results/{index}`: what a job has published. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import { deliverResult } from '../node/computeResult.ts';
import type { ApiDeps } from '../ports.ts';
import type { Route } from '../route.ts';
import { addressOf, requireToken, requireViewableJob } from './access.ts';
import { listResults, toTimeOrNull } from './jobView.ts';
import { CodedRefusal } from './problem.ts';
import { jobParams } from './readJob.ts';
import { refuseExpired } from './retention.ts';
import { resultList } from './schemas.ts';

/** For the owner and viewers; the list appears once, complete. */
export const readResults = ({ ledger }: Pick<ApiDeps, 'ledger'>): RequestHandler =>
  async function readResults(req, res) {
    const row = await requireViewableJob(ledger, req, addressOf(res));
    refuseExpired(row);
    const complete = row.finishedAtMs !== null || row.results.length > 0;
    res.set('Cache-Control', 'no-store').json({ ...listResults(row), complete, expiresAt: toTimeOrNull(row.expiresAtMs) });
  };

/** Streams one file as fast as the client takes it. */
export const readResult = (deps: Pick<ApiDeps, 'ledger' | 'results'>): RequestHandler =>
  async function readResult(req, res) {
    const row = await requireViewableJob(deps.ledger, req, addressOf(res));
    refuseExpired(row);
    const index = String(req.params['index']);
    const entry = row.results.find((result) => String(result.index) === index);
    if (entry === undefined) throw new CodedRefusal('NotFound', 404, `The job has no result ${index.slice(0, 20)}`);
    await deliverResult(deps, { row, entry }, req, res);
  };

export const readResultsRoute: Route = {
  method: 'get',
  path: '/api/v1/jobs/:id/results',
  id: 'readResults',
  summary: 'The files that a job has published',
  params: jobParams,
  answers: { 200: { description: 'The files', contentType: 'application/json', schema: resultList } },
  refusals: [401, 404, 410],
  needsToken: true,
  handle: (deps) => [requireToken(deps), readResults(deps)],
};

const bytes = z.string().meta({ format: 'binary' });

export const readResultRoute: Route = {
  method: 'get',
  path: '/api/v1/jobs/:id/results/:index',
  id: 'readJobResult',
  summary: 'One file, whole or (Range) in part',
  params: jobParams.extend({ index: z.string().regex(/^\d{1,9}$/) }),
  headers: z.object({ Range: z.string().optional(), 'If-Range': z.string().optional() }),
  answers: {
    200: { description: 'The file', contentType: '*/*', schema: bytes },
    206: { description: 'The range', contentType: '*/*', schema: bytes },
  },
  refusals: [401, 404, 405, 410, 416, 503],
  refuseHead: true,
  needsToken: true,
  handle: (deps) => [requireToken(deps), readResult(deps)],
};
