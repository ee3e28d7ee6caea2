/** `GET /api/v1/jobs/{id}`: everything about one job. Reads the ledger, nothing else. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import type { ApiDeps } from '../ports.ts';
import type { Route } from '../route.ts';
import { addressOf, requireOwnJob, requireToken } from './access.ts';
import { detail } from './jobView.ts';
import { jobDetails, jobId } from './schemas.ts';

/** The path's only parameter. */
export const jobParams = z.object({ id: jobId });

/** For the owner only. */
export const readJob = ({ ledger }: Pick<ApiDeps, 'ledger'>): RequestHandler =>
  async function readJob(req, res) {
    const row = await requireOwnJob(ledger, req, addressOf(res));
    res.set('Cache-Control', 'no-store').json(detail(row, Date.now()));
  };

export const readJobRoute: Route = {
  method: 'get',
  path: '/api/v1/jobs/:id',
  id: 'readJob',
  summary: 'Phase, progress, place in the queue, times and results of a job',
  params: jobParams,
  answers: { 200: { description: 'The job', contentType: 'application/json', schema: jobDetails } },
  refusals: [401, 404],
  needsToken: true,
  handle: (deps) => [requireToken(deps), readJob(deps)],
};
