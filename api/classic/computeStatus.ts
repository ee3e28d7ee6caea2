/** `GET /api/services/compute`: a consumer's jobs. Unsigned, public fields only. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import { isAddress } from '../authentication.ts';
import type { JobLedger, JobRow } from '../ports.ts';
import { required, requireFields } from './fields.ts';
import { findOwnJob, readAgreementId } from './jobs.ts';
import { renderClassicJob } from './jobView.ts';
import type { ClassicDeps, ClassicRoute } from './ports.ts';
import { dataOf, readRequestData, textOf } from './requestData.ts';
import { classicJobs } from './schemas.ts';

/** Newest jobs of one answer. */
const pageSize = 500;

interface Filter {
  readonly owner: string;
  readonly jobId: string | null;
  readonly agreementId: string | null;
}

/** All jobs of the owner, or the one that is named; an agreement narrows the list only where no job is named. */
const findJobs = async (
  ledger: Pick<JobLedger, 'readJob' | 'findJobs'>,
  { owner, jobId, agreementId }: Filter,
): Promise<readonly JobRow[]> => {
  if (!isAddress(owner)) return [];
  if (jobId !== null) {
    const row = await findOwnJob(ledger, jobId, owner);
    return row === null ? [] : [row];
  }
  const page = { limit: pageSize, offset: 0 };
  if (agreementId === null) return ledger.findJobs({ owner: owner.toLowerCase() }, page);
  const wanted = readAgreementId(agreementId);
  return wanted === null ? [] : ledger.findJobs({ owner: owner.toLowerCase(), agreementId: wanted }, page);
};

/** `[]` for what is not the owner's, as for what does not exist. */
export const readClassicStatus = ({ ledger }: Pick<ClassicDeps, 'ledger'>): RequestHandler =>
  async function readClassicStatus(_req, res) {
    const { plain } = dataOf(res);
    requireFields({ consumerAddress: [required] }, plain);
    const [owner, jobId, agreementId] = [plain['consumerAddress'], plain['jobId'], plain['agreementId']].map(textOf);
    const rows = await findJobs(ledger, { owner: owner ?? '', jobId: jobId ?? null, agreementId: agreementId ?? null });
    res.set('Cache-Control', 'no-store').json(rows.map(renderClassicJob));
  };

export const classicStatusRoute: ClassicRoute = {
  method: 'get',
  path: '/api/services/compute',
  id: 'computeStatus',
  summary: 'Jobs of a consumer',
  description: `At most the ${pageSize} newest jobs.`,
  query: z.object({
    consumerAddress: z.string(),
    jobId: z.string().optional(),
    agreementId: z.string().optional(),
    documentId: z.string().optional(),
  }),
  answers: { 200: { description: 'Matching jobs', contentType: 'application/json', schema: classicJobs } },
  refusals: [400],
  handle: (deps) => [...readRequestData(deps.limits.jsonBytes), readClassicStatus(deps)],
};
