import { judgeFilter } from '../../../workers/agent/filterVerdict.ts';
import type { AlgorithmExit } from '../../../workers/agent/state.ts';

const by = { by: 'environment small', seconds: 5 };
const exit = (exitCode: number | null, more: Partial<AlgorithmExit> = {}): AlgorithmExit => ({
  ...{ exitCode, oomKilled: false, end: 'ran', reason: '', startedAtMs: 1, finishedAtMs: 2 },
  ...more,
});
const withheld = (code: number): unknown => ({
  as: 'OutputsWithheld',
  reason: `the outputs are withheld by the filter of environment small (exit code ${code})`,
});
const failed = (what: string): unknown => ({
  as: 'FilterFailed',
  reason: `the outputs are withheld because the filter of environment small ${what}`,
});

describe('the end of a filter', () => {
  test.each<[string, AlgorithmExit | 'unknown', boolean, unknown]>([
    ['0 lets the outputs go', exit(0), false, undefined],
    ['0 lets them go at the last moment as well', exit(0), true, undefined],
    ['1 refuses', exit(1), false, withheld(1)],
    ['125 refuses', exit(125), false, withheld(125)],
    ['126 is no verdict', exit(126), false, failed('failed (exit code 126)')],
    ['127 is no verdict', exit(127), false, failed('failed (exit code 127)')],
    ['a signal is no verdict', exit(139), false, failed('failed (exit code 139)')],
    ['a signal after its time was over', exit(137), true, failed('took longer than its 5 s')],
    ['memory', exit(137, { oomKilled: true }), false, failed('exceeded its memory limit')],
    ['a file larger than the disk', exit(153, { end: 'diskQuotaExceeded' }), false, failed('wrote more than the disk of the job takes')],
    ['no program', exit(null, { end: 'unstartable' }), false, failed('could not be started')],
    ['no word at all', 'unknown', false, failed('ended without a verdict')],
  ])('%s', (_what, end, isLate, expected) => {
    expect(judgeFilter(by, end, isLate)).toEqual(expected);
  });
});
