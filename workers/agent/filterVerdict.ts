/** What the end of a filter says about the outputs. Pure. */

import type { FilterPlace } from './filters.ts';
import type { AlgorithmExit, FilteredOutputs } from './state.ts';

/** From here on, by the convention of shells, a program could not be run or was killed: nothing was judged. */
const firstFailureCode = 126;

/**
 * @param isLate it was ended because its time was over
 * @returns why the outputs are kept back; undefined when this filter lets them go
 */
export const judgeFilter = (
  { by, seconds }: Pick<FilterPlace, 'by' | 'seconds'>,
  exit: AlgorithmExit | 'unknown',
  isLate: boolean,
): FilteredOutputs['withheld'] => {
  if (exit !== 'unknown' && exit.end === 'ran' && exit.exitCode === 0) return undefined;
  const failed = (what: string): FilteredOutputs['withheld'] => ({
    as: 'FilterFailed',
    reason: `the outputs are withheld because the filter of ${by} ${what}`,
  });
  if (isLate) return failed(`took longer than its ${seconds} s`);
  if (exit === 'unknown' || exit.exitCode === null) return failed(exit === 'unknown' ? 'ended without a verdict' : 'could not be started');
  if (exit.oomKilled) return failed('exceeded its memory limit');
  if (exit.end === 'diskQuotaExceeded') return failed('wrote more than the disk of the job takes');
  if (exit.exitCode >= firstFailureCode) return failed(`failed (exit code ${exit.exitCode})`);
  return { as: 'OutputsWithheld', reason: `the outputs are withheld by the filter of ${by} (exit code ${exit.exitCode})` };
};
