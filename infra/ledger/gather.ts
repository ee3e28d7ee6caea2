/** Reads of single rows, many with one statement. */

/** @returns the rows by their key; a key without a row is left out */
export type ReadMany<Row> = (keys: readonly string[]) => Promise<ReadonlyMap<string, Row>>;

/** The most that one statement reads: a crowd must not hold up the process while its rows are parsed. */
const mostAtOnce = 200;

interface Asked<Row> {
  readonly promise: Promise<Row | null>;
  readonly resolve: (row: Row | null) => void;
  readonly reject: (err: unknown) => void;
}

/**
 * One statement is under way at a time; who asks meanwhile goes with the next one, all together. So the busier a process
 * is the less each read costs, and a lonely read waits for nobody. A read sees all that was committed before it was
 * asked for, because its statement begins afterwards.
 * @param readMany must not fail for the sake of one key: all who asked together would fail
 * @returns reads one row; null when there is none
 */
export const gather = <Row>(readMany: ReadMany<Row>): ((key: string) => Promise<Row | null>) => {
  const asked = new Map<string, Asked<Row>>();
  let isReading = false;
  const readNext = async (): Promise<void> => {
    const batch = [...asked].slice(0, mostAtOnce);
    for (const [key] of batch) asked.delete(key);
    try {
      const rows = await readMany(batch.map(([key]) => key));
      for (const [key, { resolve }] of batch) resolve(rows.get(key) ?? null);
    } catch (err) {
      for (const [, { reject }] of batch) reject(err);
    }
  };
  const readAll = async (): Promise<void> => {
    isReading = true;
    while (asked.size > 0) await readNext();
    isReading = false;
  };
  return (key) => {
    const found = asked.get(key) ?? Promise.withResolvers<Row | null>();
    asked.set(key, found);
    if (!isReading) void readAll();
    return found.promise;
  };
};
