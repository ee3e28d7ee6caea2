/** Who asks, and which jobs exist for them. */

import type { Request, RequestHandler, Response } from 'express';
import { isJobId } from '../../workflows/contract/ids.ts';
import { isOwner, mayView } from '../node/jobIds.ts';
import type { ApiDeps, JobLedger, JobRow } from '../ports.ts';
import { CodedRefusal } from './problem.ts';

/** Lets only good tokens pass; nothing of a body is read before. @throws Refusal 401 */
export const requireToken = ({ tokens }: Pick<ApiDeps, 'tokens'>): RequestHandler =>
  async function requireToken(req, res, next) {
    const { address } = await tokens.verify(req.get('authorization'));
    res.locals['address'] = address;
    next();
  };

/** The address of the token that `requireToken` let pass. */
export const addressOf = (res: Response): string => {
  const address: unknown = res.locals['address'];
  if (typeof address !== 'string') throw new Error('the route does not ask for a token');
  return address;
};

const unknownJob = (): CodedRefusal => new CodedRefusal('NotFound', 404, 'There is no such job, or it is not yours');

const readJob = async (ledger: Pick<JobLedger, 'readJob'>, req: Request): Promise<JobRow> => {
  const id = String(req.params['id']);
  const row = isJobId(id) ? await ledger.readJob(id) : null;
  if (row === null) throw unknownJob();
  return row;
};

/** The owner sees a job whatever became of it. @throws Refusal 404, for everybody else too: whether a job exists is not told */
export const requireOwnJob = async (ledger: Pick<JobLedger, 'readJob'>, req: Request, address: string): Promise<JobRow> => {
  const row = await readJob(ledger, req);
  if (!isOwner(row, address)) throw unknownJob();
  return row;
};

/** The owner, and viewers once the job is accepted: for results and logs. @throws Refusal 404 */
export const requireViewableJob = async (ledger: Pick<JobLedger, 'readJob'>, req: Request, address: string): Promise<JobRow> => {
  const row = await readJob(ledger, req);
  if (!isOwner(row, address) && !(row.admission === 'accepted' && mayView(row, address))) throw unknownJob();
  return row;
};
