/** Whether an environment may be offered, from what its self-tests found out. Pure. */

/** What the ledger has about an environment's self-tests; ages in seconds, by the database's clock. */
export interface SealRecord {
  readonly environmentId: string;
  /** of the last self-test that came to a decision; null: none has yet */
  readonly verdict: 'sealed' | 'unsealed' | null;
  readonly reason: string;
  readonly ageSeconds: number | null;
  /** why later self-tests came to no decision; null: the last one did */
  readonly problem: string | null;
  readonly problemAgeSeconds: number | null;
}

const ago = (seconds: number | null): string => `${Math.round(seconds ?? 0)} s ago`;

/**
 * Why an environment is not offered; null: it is. Fails closed: what was never proved, or not lately, is not offered.
 * A self-test that came to no decision changes nothing while the last proof is fresh.
 * @param record absent: no self-test has ended yet
 */
export const withdrawalOf = (record: SealRecord | undefined, freshSeconds: number): string | null => {
  const problem =
    record === undefined || record.problem === null
      ? ''
      : `; the last self-test, ${ago(record.problemAgeSeconds)}, came to no decision: ${record.problem}`;
  if (record === undefined || record.verdict === null) return `no self-test has proved yet that it is sealed${problem}`;
  if (record.verdict === 'unsealed') return `not sealed, found ${ago(record.ageSeconds)}: ${record.reason}${problem}`;
  if ((record.ageSeconds ?? Infinity) > freshSeconds) return `last proved to be sealed ${ago(record.ageSeconds)}${problem}`;
  return null;
};

/** How many self-tests in a row may fail to decide before an environment is withdrawn. */
const missedSelfTests = 3;

/** How long a proof counts. @param everySeconds between two self-tests */
export const freshSecondsOf = (everySeconds: number): number => missedSelfTests * everySeconds;
