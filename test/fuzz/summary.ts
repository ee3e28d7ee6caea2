/** What a run against one API came to, as one line. */

import type { Tally } from './front.ts';
import type { Description } from './offers.ts';

/** What is known after a run. */
export interface Outcome {
  readonly name: string;
  readonly tally: Tally;
  readonly description: Description;
  /** fewest cases */
  readonly wanted: number;
  /** the fuzzer found nothing */
  readonly isWell: boolean;
  readonly seconds: number;
}

/** One line for people and programs, and whether it is a good one. */
export interface Summary {
  readonly line: string;
  readonly isGood: boolean;
}

/** All answers. */
export const countCases = (tally: Tally): number =>
  Object.values(tally)
    .flatMap((statuses) => Object.values(statuses))
    .reduce((sum, count) => sum + count, 0);

const classes = [2, 3, 4, 5] as const;

/** Counts cases by class of status, and names the calls that never succeeded. */
export const summarise = ({ name, tally, description, wanted, isWell, seconds }: Outcome): Summary => {
  const answers = Object.values(tally).flatMap((statuses) =>
    Object.entries(statuses).map(([status, count]) => ({ status: Number(status), count })),
  );
  const total = countCases(tally);
  const inClass = (digit: number) =>
    answers.filter(({ status }) => Math.floor(status / 100) === digit).reduce((sum, { count }) => sum + count, 0);
  const calls = Object.entries(description.paths ?? {}).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const succeeded = calls.filter((call) => Object.keys(tally[call] ?? {}).some((status) => status.startsWith('2')));
  const never = calls.filter((call) => !succeeded.includes(call));
  const verdict = [...(isWell ? [] : ['findings, see above']), ...(total < wanted ? [`fewer than ${wanted} cases`] : [])];
  const counts = classes.map((digit) => `${inClass(digit)} with ${digit}xx`).join(', ');
  const reach = `${succeeded.length} of ${calls.length} calls succeeded${never.length === 0 ? '' : ` (not ${never.join(', ')})`}`;
  return {
    line: `${name}: ${total} cases in ${Math.round(seconds)} s: ${counts}; ${reach}; ${verdict.length === 0 ? 'no finding' : verdict.join(', ')}`,
    isGood: verdict.length === 0,
  };
};
