/** Waiting and trying again. */

import { setTimeout as pause } from 'node:timers/promises';
import { JobOver, Refused } from './http.ts';

const firstPauseMs = 50;
const longestPauseMs = 2_000;

/** Pauses between tries, in milliseconds: doubling from 50 to 2,000, with a fifth of chance in each. */
export const backoffMs = (failures: number): number =>
  Math.min(firstPauseMs * 2 ** Math.min(failures, 10), longestPauseMs) * (0.8 + Math.random() * 0.2);

/** True for what no repetition changes. 503 and 429 ask for a repetition, whatever their body says. */
export const isFinal = (err: unknown): boolean =>
  err instanceof JobOver || (err instanceof Refused && !err.problem.retryable && err.status !== 503 && err.status !== 429);

/**
 * Repeats `work` until it succeeds: the gateway may be away for any time, and what the agent holds must not be lost.
 * @throws JobOver and final refusals at once; the signal's reason when it is aborted
 */
export const persist = async <Result>(work: () => Promise<Result>, signal?: AbortSignal): Promise<Result> => {
  for (let failures = 0; ; failures += 1) {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (err) {
      if (isFinal(err)) throw err;
      const asked = err instanceof Refused ? err.retryAfterMs : undefined;
      await pause(asked ?? backoffMs(failures), undefined, signal === undefined ? {} : { signal });
    }
  }
};

/** At most `permits` pieces of work at once, in the order of asking. */
export const createLimit = (permits: number): (<Result>(work: () => Promise<Result>) => Promise<Result>) => {
  const waiting: (() => void)[] = [];
  let free = permits;
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
};
