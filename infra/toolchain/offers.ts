/** Whether a service offers its compute environments yet. */

import { setTimeout as delay } from 'node:timers/promises';

const patienceMs = 180_000;
const requestPatienceMs = 10_000;

const offeredIds = async (apiUrl: string): Promise<readonly string[]> => {
  const answer = await fetch(`${apiUrl}/api/services/computeEnvironments`, { signal: AbortSignal.timeout(requestPatienceMs) });
  if (!answer.ok) throw new Error(`the API answers ${answer.status} when asked for its environments`);
  return ((await answer.json()) as readonly { id: string }[]).map(({ id }) => id);
};

/**
 * Waits until a service offers these environments: on a cluster each has to prove first that its pods are sealed.
 * @throws Error with those that are missing after three minutes
 */
export const awaitOffers = async (apiUrl: string, ids: readonly string[]): Promise<void> => {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const offered = await offeredIds(apiUrl);
    const missing = ids.filter((id) => !offered.includes(id));
    if (missing.length === 0) return;
    if (performance.now() > deadline)
      throw new Error(
        `the environments ${missing.join(', ')} are not offered after ${patienceMs / 1_000} s: see the log of the orchestrator`,
      );
    await delay(100);
  }
};
