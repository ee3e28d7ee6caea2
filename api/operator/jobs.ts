/** Jobs as Providers name them: always their own. */

import { readJobId } from '../node/jobIds.ts';
import type { JobRow } from '../ports.ts';
import { exactText, readName, type Data } from './callData.ts';
import type { OperatorDeps } from './ports.ts';

/** Newest jobs of one answer. */
export const pageSize = 500;

/** What old callers left out: not there, or shorter than two characters. */
const readFilter = (value: unknown): string | null | undefined => {
  if ((exactText(value) ?? '').length < 2) return undefined;
  return readName(value);
};

/** Keys of a job that a call names; null for one that can be nobody's. */
export interface NamedJobs {
  readonly agreementId: string | null | undefined;
  readonly jobId: string | null | undefined;
  readonly owner: string | null | undefined;
}

export const readNamedJobs = (data: Data): NamedJobs => {
  const jobId = readFilter(data['jobId']);
  return {
    agreementId: readFilter(data['agreementId']),
    jobId: jobId === undefined ? undefined : readJobId(jobId),
    owner: readFilter(data['owner']),
  };
};

/** Jobs of this Provider that match every key that is named; none where a key can be nobody's. */
export const findNamedJobs = async (
  { ledger }: Pick<OperatorDeps, 'ledger'>,
  provider: string,
  { agreementId, jobId, owner }: NamedJobs,
): Promise<readonly JobRow[]> => {
  if (agreementId === null || jobId === null || owner === null) return [];
  return ledger.findProviderJobs(
    {
      providerAddress: provider,
      ...(agreementId !== undefined && { agreementId }),
      ...(jobId !== undefined && { jobId }),
      ...(owner !== undefined && { owner }),
    },
    pageSize,
  );
};
