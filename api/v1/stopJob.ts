/** `POST /api/v1/jobs/{id}/stop`: stops a job in whatever phase it is. */

import type { RequestHandler } from 'express';
import type { ApiDeps } from '../ports.ts';
import type { Route } from '../route.ts';
import { addressOf, requireOwnJob, requireToken } from './access.ts';
import { detail } from './jobView.ts';
import { jobParams } from './readJob.ts';
import { jobDetails } from './schemas.ts';

/** A job that has ended is answered as it is. Safe to repeat. */
export const stopJob = ({ ledger, jobs }: Pick<ApiDeps, 'ledger' | 'jobs'>): RequestHandler =>
  async function stopJob(req, res) {
    const address = addressOf(res);
    const { jobId, finishedAtMs } = await requireOwnJob(ledger, req, address);
    if (finishedAtMs === null) {
      await ledger.requestStop(jobId);
      await jobs.stop(jobId);
    }
    res.set('Cache-Control', 'no-store').json(detail(await requireOwnJob(ledger, req, address), Date.now()));
  };

export const stopJobRoute: Route = {
  method: 'post',
  path: '/api/v1/jobs/:id/stop',
  id: 'stopJob',
  summary: 'Stop a job; what it has written so far is published',
  params: jobParams,
  answers: { 200: { description: 'The job; it ends soon', contentType: 'application/json', schema: jobDetails } },
  refusals: [401, 404, 503],
  needsToken: true,
  handle: (deps) => [requireToken(deps), stopJob(deps)],
};
