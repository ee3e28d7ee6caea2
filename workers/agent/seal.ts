/** Proof that the pod is isolated: a listening address that no policy allows must not be reachable. */

import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Plan } from '../gateway/protocol.ts';

const connectPatienceMs = 1_500;
const retryPauseMs = 1_000;
const proofPatienceMs = 30_000;

type Reach = 'reached' | 'refused' | 'unreachable';

/**
 * @returns undefined once the pod is proved to be isolated, else why not. `noNetwork` is the wrapper's to prove.
 *   A refused connection proves nothing (the canary may be restarting while nothing holds packets back): it is
 *   looked at again for half a minute, and then counts as reachable.
 */
export const findSealBreach = async (seal: Plan['seal']): Promise<string | undefined> => {
  if (seal.kind === 'noNetwork') return undefined;
  const giveUpAt = Date.now() + proofPatienceMs;
  for (;;) {
    const reach = await tryToReach(seal.host, seal.port);
    if (reach === 'unreachable') return undefined;
    if (reach === 'reached') return 'the pod can reach an address that its network policy must deny';
    if (Date.now() > giveUpAt) return 'the isolation of the pod could not be proved: its canary refuses instead of being unreachable';
    await pause(retryPauseMs);
  }
};

const tryToReach = (host: string, port: number): Promise<Reach> =>
  new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (reach: Reach): void => {
      socket.destroy();
      resolve(reach);
    };
    socket.setTimeout(connectPatienceMs, () => end('unreachable'));
    socket.once('connect', () => end('reached'));
    socket.once('error', (err: NodeJS.ErrnoException) => end(err.code === 'ECONNREFUSED' ? 'refused' : 'unreachable'));
  });
