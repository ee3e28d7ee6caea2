/** Proof that the pod is isolated: a listening address that no policy allows must not be reachable. */

import { connect, isIP } from 'node:net';
import { setImmediate as nextRound, setTimeout as pause } from 'node:timers/promises';
import type { Plan } from '../gateway/protocol.ts';
import type { GatewayAddress } from './http.ts';

/** Times of the proof, in milliseconds. */
export interface SealTimes {
  /** shortest time from the first look to the verdict that nobody answers */
  readonly leastMs: number;
  /** wait when the gateway did not answer every time, so that nothing is known about this network */
  readonly unknownMs: number;
  /** how long a policy may take to reach a pod that has just started */
  readonly settleMs: number;
  /** how long a canary that refuses may take to come back */
  readonly refusedMs: number;
}

const defaultTimes: SealTimes = { leastMs: 120, unknownMs: 1_500, settleMs: 5_000, refusedMs: 30_000 };

/** Connections that are tried, a fifth of the least time apart: that many packets are not lost by chance. */
const looks = 4;
const spacing = 1 / 5;
/** An open path is as quick as the one to the gateway beside it; this many times slower, nobody is there. */
const slowness = 20;
/** Long enough for the kernel to have repeated a lost packet; no machine is so busy that an open path needs more. */
const mostMs = 3_000;
const retryPauseMs = 100;

type Reach = 'reached' | 'refused' | 'unreachable';

/**
 * Looks for a way out. Nothing is lost by looking while inputs are staged and the algorithm's container is made, and the
 * gate stays shut meanwhile.
 *
 * When silence counts as a policy that drops packets (ADR 17): a policy that lets packets through has the canary answer
 * as fast as the gateway, which listens beside it and is asked at the same moments. Four connections to each are tried.
 * Only if the gateway answered all four, and the canary none, silence is believed; and not before each look has lasted
 * twenty times as long as the gateway's answer of the same moment, and the least time has passed. A machine too busy
 * to notice an answer is too busy to notice the gateway's, and waits longer, three seconds at most. Before silence is
 * believed the event loop has one more round, so that an answer which has come counts even if the process was held up.
 * The gateway's answers also prove that the pod has a network at all: one that is not there yet would look sealed.
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

/** One round of looks at both: what the canary answered first, or that it did not. */
const look = async (
  canary: { readonly host: string; readonly port: number },
  gateway: GatewayAddress,
  times: SealTimes,
): Promise<Reach> => {
  const ended = new AbortController();
  const answer = Promise.withResolvers<Reach>();
  const lookOnce = async (): Promise<Control> => {
    void tryToReach(canary, ended.signal).then((reach) => reach === 'unreachable' || answer.resolve(reach));
    const startedAt = performance.now();
    const control = await tryToReach(gateway, AbortSignal.timeout(times.unknownMs));
    return { startedAt, lastedMs: control === 'reached' ? performance.now() - startedAt : Infinity };
  };
  try {
    return await Promise.race([answer.promise, awaitSilence(lookOnce, times, ended.signal)]);
  } finally {
    ended.abort();
  }
};

/** What the gateway did while the canary was looked at; `lastedMs` is infinite if it did not answer. */
interface Control {
  /** by the clock that never goes back, milliseconds */
  readonly startedAt: number;
  readonly lastedMs: number;
}

/** Looks several times and resolves when silence may be believed. */
const awaitSilence = async (
  lookOnce: () => Promise<Control>,
  { leastMs, unknownMs }: SealTimes,
  ended: AbortSignal,
): Promise<'unreachable'> => {
  const startedAt = performance.now();
  const controls = [lookOnce()];
  while (controls.length < looks) {
    await pause(leastMs * spacing);
    if (ended.aborted) break;
    controls.push(lookOnce());
  }
  const lastAt = performance.now();
  const believedAt = (await Promise.all(controls)).map((control) =>
    control.lastedMs === Infinity ? lastAt + unknownMs : control.startedAt + Math.min(mostMs, slowness * control.lastedMs),
  );
  await pause(Math.max(0, Math.max(startedAt + leastMs, ...believedAt) - performance.now()));
  await nextRound();
  await nextRound();
  return 'unreachable';
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
