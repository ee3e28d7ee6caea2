/** What has been started and must be ended, in reverse order. */

/** Collects ends of things; runs them once. */
export interface Cleanups {
  add(end: () => Promise<unknown>): void;
  /** Adds the end of something that closes. @returns the same thing */
  own<Part extends { close(): Promise<void> }>(part: Part): Part;
  /**
   * Runs all of them, the latest first, each whatever happened to the others. A second call waits for the first.
   * @throws AggregateError of what failed
   */
  run(): Promise<void>;
}

/** An empty collection. */
export const createCleanups = (): Cleanups => {
  const ends: (() => Promise<unknown>)[] = [];
  let running: Promise<void> | undefined;
  const cleanups: Cleanups = {
    add: (end) => {
      ends.push(end);
    },
    own: (part) => {
      cleanups.add(() => part.close());
      return part;
    },
    run: () => (running ??= runAll(ends)),
  };
  return cleanups;
};

const runAll = async (ends: (() => Promise<unknown>)[]): Promise<void> => {
  const failures: unknown[] = [];
  for (let end = ends.pop(); end !== undefined; end = ends.pop()) {
    await end().catch((err: unknown) => failures.push(err));
  }
  if (failures.length > 0)
    throw new AggregateError(failures, `${failures.length} parts did not end cleanly: ${failures.map(String).join('; ')}`);
};

/**
 * Waits for all of them, also when one fails: so whoever cleans up afterwards knows everything that was started.
 * @throws the first failure
 */
export const settleAll = async <Parts extends Readonly<Record<string, Promise<unknown>>>>(
  parts: Parts,
): Promise<{ [Name in keyof Parts]: Awaited<Parts[Name]> }> => {
  const names = Object.keys(parts);
  const results = await Promise.allSettled(Object.values(parts));
  const failure = results.find((result) => result.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
  const values = results.map((result) => (result.status === 'fulfilled' ? result.value : undefined));
  return Object.fromEntries(names.map((name, index) => [name, values[index]])) as { [Name in keyof Parts]: Awaited<Parts[Name]> };
};
