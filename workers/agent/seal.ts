/** Proof that the pod is isolated: a listening address that no policy allows must not be reachable. */

import { connect, isIP } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Plan } from '../gateway/protocol.ts';
import type { GatewayAddress } from './http.ts';

/** Times of the proof, in milliseconds. */
export interface SealTimes {
  /** shortest wait for an answer of the canary, both tries together */
  readonly leastMs: number;
  /** wait when the gateway did not answer either, so that nothing is known about this network */
  readonly unknownMs: number;
  /** how long a policy may take to reach a pod that has just started */
  readonly settleMs: number;
  /** how long a canary that refuses may take to come back */
  readonly refusedMs: number;
}

const defaultTimes: SealTimes = { leastMs: 300, unknownMs: 1_500, settleMs: 5_000, refusedMs: 30_000 };

/** An open path is as quick as the one to the gateway beside it; this many times slower, nobody is there. */
const slowness = 20;
/** Long enough for the kernel to have repeated a lost packet; no machine is so busy that an open path needs more. */
const mostMs = 3_000;
const retryPauseMs = 250;

type Reach = 'reached' | 'refused' | 'unreachable';

/**
 * Looks for a way out. Nothing is lost by looking while inputs are staged, and the gate stays shut meanwhile.
 *
 * How long silence must last to count as a policy that drops packets: a policy that lets packets through has the canary
 * answer as fast as the gateway, which listens beside it and is asked at the same moment. So the wait is twenty times
 * the gateway's answer, and never below 0.3 s; a machine too busy to notice an answer is too busy to notice the
 * gateway's, and waits longer, three seconds at most. Two connections are tried, half the wait apart: one lost packet proves nothing, and the
 * kernel repeats it only after a second. Before silence is believed the event loop has one more round, so that an
 * answer which has come counts even if the process was held up. The gateway's answer also proves that the pod has a
 * network at all: a network that is not there yet would look like a sealed one.
 *
 * @param seal `noNetwork` is the wrapper's to prove
 * @returns undefined once the pod is proved to be isolated, else why not. A canary that is reached is asked again for a
 *   few seconds: some networks enforce a policy only a moment after the pod has begun. A refused connection proves
 *   nothing (the canary may be restarting while nothing holds packets back) and is repeated for half a minute
 */
export const findSealBreach = async (
  seal: Plan['seal'],
  gateway: GatewayAddress,
  times: SealTimes = defaultTimes,
): Promise<string | undefined> => {
  if (seal.kind === 'noNetwork') return undefined;
  // a name that cannot be looked up would pass for one that cannot be reached
  if (isIP(seal.host) === 0) return 'the isolation of the pod cannot be proved: its canary is given by name instead of by address';
  const startedAt = Date.now();
  const isOver = (patienceMs: number): boolean => Date.now() - startedAt > patienceMs;
  for (;;) {
    const reach = await look(seal, gateway, times);
    if (reach === 'unreachable') return undefined;
    if (reach === 'reached' && isOver(times.settleMs)) return 'the pod can reach an address that its network policy must deny';
    if (reach === 'refused' && isOver(times.refusedMs)) {
      return 'the isolation of the pod could not be proved: its canary refuses instead of being unreachable';
    }
    await pause(retryPauseMs);
  }
};

const look = async (
  canary: { readonly host: string; readonly port: number },
  gateway: GatewayAddress,
  { leastMs, unknownMs }: SealTimes,
): Promise<Reach> => {
  const startedAt = performance.now();
  const ended = new AbortController();
  const first = tryToReach(canary, ended.signal);
  const second = pause(leastMs / 2, undefined, { signal: ended.signal }).then(
    () => tryToReach(canary, ended.signal),
    () => 'unreachable' as const,
  );
  const control = await tryToReach(gateway, AbortSignal.timeout(unknownMs));
  const waitMs = control === 'reached' ? Math.min(mostMs, Math.max(leastMs, slowness * (performance.now() - startedAt))) : unknownMs;
  const deadline = setTimeout(
    () => setImmediate(() => setImmediate(() => ended.abort())),
    Math.max(0, startedAt + waitMs - performance.now()),
  );
  try {
    const answers = [first, second];
    const early = await Promise.race(answers);
    if (early !== 'unreachable') return early;
    const all = await Promise.all(answers);
    return all.find((answer) => answer !== 'unreachable') ?? 'unreachable';
  } finally {
    clearTimeout(deadline);
    ended.abort();
  }
};

const tryToReach = (address: GatewayAddress, signal: AbortSignal): Promise<Reach> =>
  new Promise((resolve) => {
    const socket = connect('socketPath' in address ? { path: address.socketPath } : address);
    const end = (reach: Reach): void => {
      signal.removeEventListener('abort', giveUp);
      socket.destroy();
      resolve(reach);
    };
    const giveUp = (): void => end('unreachable');
    socket.once('connect', () => end('reached'));
    // stays for errors that come after the end
    socket.on('error', (err: NodeJS.ErrnoException) => end(err.code === 'ECONNREFUSED' ? 'refused' : 'unreachable'));
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
  });
