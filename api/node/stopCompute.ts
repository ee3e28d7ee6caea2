/** `PUT /api/services/compute`: stops a job. Everything is in the query. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import { authenticate } from '../authentication.ts';
import type { ApiDeps, JobLedger, JobRow } from '../ports.ts';
import { Refusal } from '../problems.ts';
import type { Route } from '../route.ts';
import { isOwner, readJobId, requireJobIdText, unknownJob } from './jobIds.ts';
import { renderJob } from './jobView.ts';
import { olderMessages, onlyIf } from './olderMessages.ts';
import { computeJobs } from './schemas.ts';

/** The owner may stop a job before its verdict is known, too; for everybody else it does not exist yet. */
const requireStoppable = async (ledger: JobLedger, text: string, address: string): Promise<JobRow> => {
  const jobId = readJobId(text);
  const row = jobId === null ? null : await ledger.readJob(jobId);
  if (row === null || row.admission === 'refused' || (row.admission === 'pending' && !isOwner(row, address))) throw unknownJob(text);
  return row;
};

type StopDeps = Pick<ApiDeps, 'ledger' | 'jobs' | 'assets' | 'tokens' | 'acceptsOlderMessages'>;

/** Works in every phase; a job that has ended is returned as it is. Safe to repeat, under a new nonce. */
export const stopCompute = ({ ledger, jobs, acceptsOlderMessages, ...deps }: StopDeps): RequestHandler =>
  async function stopCompute(req, res) {
    const { consumerAddress, nonce, signature, jobId, agreementId: _agreementId } = req.query;
    const wanted = requireJobIdText(jobId, 'stopCompute');
    const otherMessages = onlyIf(acceptsOlderMessages, olderMessages.stop(wanted));
    const claim = { consumerAddress, nonce, signature, authorization: req.get('authorization'), otherMessages };
    const caller = await authenticate({ ...deps, ledger }, claim, 'stopCompute');
    const row = await requireStoppable(ledger, wanted, caller.address);
    if (!isOwner(row, caller.address)) throw new Refusal(403, `${caller.address} is not authorized to stop job with id ${row.jobId}`);
    if (row.finishedAtMs === null) {
      await ledger.requestStop(row.jobId);
      await jobs.stop(row.jobId);
    }
    const after = await ledger.readJob(row.jobId);
    if (after === null) throw unknownJob(wanted);
    res.json([renderJob(after)]);
  };

export const stopComputeRoute: Route = {
  method: 'put',
  path: '/api/services/compute',
  id: 'stopCompute',
  summary: 'Stop a job; what it has written so far is published',
  description: 'Signed by the owner: `consumerAddress + nonce + "stopCompute"`, or with a token.',
  query: z.object({
    consumerAddress: z.string(),
    nonce: z.string(),
    signature: z.string(),
    jobId: z.string(),
    agreementId: z.string().optional(),
  }),
  answers: { 200: { description: 'The job', contentType: 'application/json', schema: computeJobs } },
  refusals: [400, 401, 403, 404],
  handle: (deps) => [stopCompute(deps)],
};
