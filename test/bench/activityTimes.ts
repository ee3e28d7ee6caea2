/** Where the time of jobs goes: how long each kind of activity took in the worker. */

import { round, summarize } from './figures.ts';

type Activities = Readonly<Record<string, (...args: never[]) => Promise<unknown>>>;

/** Times by activity, in milliseconds. */
export interface ActivityTimes {
  /** The same activities, timed; one that fails, or is left to others to complete, counts too. */
  watch<Watched extends object>(activities: Watched): Watched;
  /** Forgets what was measured so far. */
  reset(): void;
  /** by name: how often, and for how long each */
  summary(): Readonly<Record<string, { readonly n: number; readonly p50: number; readonly p99: number; readonly sum: number }>>;
}

/** Nothing is measured yet. */
export const createActivityTimes = (): ActivityTimes => {
  const times = new Map<string, number[]>();
  const timed = (name: string, activity: (...args: never[]) => Promise<unknown>) =>
    async function timedActivity(...args: never[]): Promise<unknown> {
      const startedAt = performance.now();
      try {
        return await activity(...args);
      } finally {
        const list = times.get(name) ?? [];
        times.set(name, list);
        list.push(performance.now() - startedAt);
      }
    };
  return {
    watch: <Watched extends object>(activities: Watched) =>
      Object.fromEntries(Object.entries(activities as Activities).map(([name, activity]) => [name, timed(name, activity)])) as Watched,
    reset: () => times.clear(),
    summary: () =>
      Object.fromEntries(
        [...times].map(([name, list]) => {
          const { p50, p99, n } = summarize(list);
          return [
            name,
            {
              n,
              p50,
              p99,
              sum: round(
                list.reduce((sum, each) => sum + each, 0),
                0,
              ),
            },
          ];
        }),
      ),
  };
};
