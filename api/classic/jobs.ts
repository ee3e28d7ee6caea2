/** Jobs as classic calls name them: always the caller's own. */

import { isAddress } from '../authentication.ts';
import { isOwner, readJobId } from '../node/jobIds.ts';
import type { JobLedger, JobRow } from '../ports.ts';

/** An accepted job of that owner, in any spelling of the address; null for every other. */
export const findOwnJob = async (ledger: Pick<JobLedger, 'readJob'>, jobId: string | null, owner: string): Promise<JobRow | null> => {
  const id = readJobId(jobId);
  const row = id === null || !isAddress(owner) ? null : await ledger.readJob(id);
  return row !== null && row.admission === 'accepted' && isOwner(row, owner) ? row : null;
};

/** An agreement id with or without its `0x`, as the ledger keeps it; null for what can be none. */
export const readAgreementId = (text: string): string | null => {
  const [, digits] = /^(?:0x)?([0-9a-f]{1,64})$/.exec(text.toLowerCase()) ?? [];
  return digits === undefined ? null : `0x${digits}`;
};
