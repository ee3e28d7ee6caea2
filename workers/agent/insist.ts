/** Repeats a request of an upload for as long as the plan says. */

import { setTimeout as pause } from 'node:timers/promises';
import { PhaseFailure } from './failures.ts';
import { isGatewayAway, JobOver, Refused } from './http.ts';
import { backoffMs, isFinal } from './patience.ts';

/**
 * Repeats a request within the plan's patience; a gateway that is away is waited for without end.
 * @throws PhaseFailure when it is refused for good, or still refused after the patience; JobOver
 */
export const insist = async ({ patienceMs }: { readonly patienceMs: number }, work: () => Promise<void>): Promise<void> => {
  let giveUpAt = Date.now() + patienceMs;
  for (let failures = 0; ; failures += 1) {
    try {
      return await work();
    } catch (err) {
      if (err instanceof JobOver) throw err;
      if (isFinal(err) && err instanceof Refused)
        throw new PhaseFailure(err.problem.type || 'StorageRefused', err.problem.message.slice(0, 500), false);
      if (isGatewayAway(err)) giveUpAt = Date.now() + patienceMs;
      if (Date.now() > giveUpAt) throw givenUp(err);
      await pause((err instanceof Refused ? err.retryAfterMs : undefined) ?? backoffMs(failures));
    }
  }
};

const givenUp = (err: unknown): PhaseFailure =>
  err instanceof Refused && err.problem.type !== ''
    ? new PhaseFailure(err.problem.type, err.problem.message.slice(0, 500), true)
    : new PhaseFailure('StorageUnavailable', 'the results could not be uploaded; they are kept and it is tried again', true);
