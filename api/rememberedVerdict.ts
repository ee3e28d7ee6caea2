/** What the ledger knows of a start that was judged before. */

import { isFailureType } from '../workflows/contract/failures.ts';
import type { JobRow, StartVerdict } from './ports.ts';

/** The verdict that the ledger remembers of a job, or null when there is none yet. It outlives the job's workflow. */
export const rememberedVerdict = ({
  admission,
  refusalType,
  reason,
}: Pick<JobRow, 'admission' | 'refusalType' | 'reason'>): StartVerdict | null => {
  if (admission === 'accepted') return { kind: 'accepted' };
  if (admission === 'pending') return null;
  return { kind: 'refused', type: isFailureType(refusalType) ? refusalType : 'RequestInvalid', message: reason };
};
