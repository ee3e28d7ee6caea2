/** `GET /api/v1/jobs`: a consumer's own jobs, page by page. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import type { ApiDeps } from '../ports.ts';
import type { Route } from '../route.ts';
import { addressOf, requireToken } from './access.ts';
import { summarise } from './jobView.ts';
import { isListed, statusesOf } from './phases.ts';
import { jobId, jobPage, phaseWords } from './schemas.ts';

const listed = phaseWords.filter(isListed);

const query = z.strictObject({
  phase: z.enum(listed).optional(),
  status: z.coerce.number().int().min(0).max(999).optional().meta({ description: 'a status number; together with phase both must hold' }),
  environment: z.string().max(256).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: jobId.optional().meta({ description: '`next` of the page before' }),
});

const statusesWanted = ({ phase, status }: Pick<z.output<typeof query>, 'phase' | 'status'>): readonly number[] | undefined => {
  const ofPhase = phase === undefined ? undefined : statusesOf(phase);
  if (status === undefined) return ofPhase;
  return ofPhase === undefined || ofPhase.includes(status) ? [status] : [];
};

/** Newest first. A page that is not full is the last. */
export const listJobs = ({ ledger }: Pick<ApiDeps, 'ledger'>): RequestHandler =>
  async function listJobs(req, res) {
    const { environment, limit, cursor, ...wanted } = query.parse(req.query);
    const statuses = statusesWanted(wanted);
    const filter = {
      owner: addressOf(res),
      ...(statuses && { statuses }),
      ...(environment !== undefined && { environmentId: environment }),
      ...(cursor !== undefined && { after: cursor }),
    };
    const rows = await ledger.listJobs(filter, limit + 1);
    const page = rows.slice(0, limit);
    res
      .set('Cache-Control', 'no-store')
      .json({ jobs: page.map(summarise), next: rows.length > limit ? (page.at(-1)?.jobId ?? null) : null });
  };

export const listJobsRoute: Route = {
  method: 'get',
  path: '/api/v1/jobs',
  id: 'listJobs',
  summary: 'Your jobs, newest first',
  description: 'Jobs that were refused are not listed; they can be read by their id.',
  query,
  answers: { 200: { description: 'A page', contentType: 'application/json', schema: jobPage } },
  refusals: [400, 401],
  needsToken: true,
  handle: (deps) => [requireToken(deps), listJobs(deps)],
};
