/** Job ids as clients name them. */

import { isJobId } from '../../workflows/contract/ids.ts';
import { isAbsent } from '../authentication.ts';
import type { JobLedger, JobRow } from '../ports.ts';
import { Refusal } from '../problems.ts';

/** The 32 hex characters of a job id, with or without a `<hash>-` prefix; null for what can be no job's. */
export const readJobId = (value: unknown): string | null => {
  if (typeof value !== 'string') return null;
  const bare = value.slice(value.lastIndexOf('-') + 1).toLowerCase();
  return isJobId(bare) ? bare : null;
};

/** @throws Refusal 400 when the call names no job */
export const requireJobIdText = (value: unknown, command: string): string => {
  if (typeof value === 'string' && !isAbsent(value)) return value;
  throw new Refusal(400, `Missing one ( "jobId" ) or more required field(s) for command: "${command}". Required fields: jobId`);
};

/** Repeats an id of a client in a text, cut to what an id can be. */
const quoteId = (text: string): string => text.slice(0, 120);

/** Text of the 404 for a job that is unknown, refused or not accepted yet. */
export const unknownJob = (text: string): Refusal => new Refusal(404, `Cannot find job with id ${quoteId(text)}`);

/** @throws Refusal 404 `Cannot find job with id {id}`; only accepted jobs exist for clients */
export const requireJob = async (ledger: Pick<JobLedger, 'readJob'>, text: string): Promise<JobRow> => {
  const jobId = readJobId(text);
  const row = jobId === null ? null : await ledger.readJob(jobId);
  if (row === null || row.admission !== 'accepted') throw unknownJob(text);
  return row;
};

/** True for the job's owner, in any spelling of the address. */
export const isOwner = (row: JobRow, address: string): boolean => row.owner.toLowerCase() === address.toLowerCase();

/** True for the owner and whom the owner named in `additionalViewers`. */
export const mayView = (row: JobRow, address: string): boolean =>
  isOwner(row, address) || row.additionalViewers.some((viewer) => viewer.toLowerCase() === address.toLowerCase());
