/** What is different on a cluster: others start the containers, and end the pod as a whole. */

import { setTimeout as pause } from 'node:timers/promises';
import type { Gateway } from './client.ts';
import { JobOver, Refused, type Send } from './http.ts';

/** The cluster's part in one run. */
export interface ClusterLife {
  /** between TERM and KILL for the algorithm */
  readonly graceSeconds: number;
  /** aborted when the pod is being ended: by a stop, an administrator, a node that is emptied */
  readonly ending: AbortSignal;
  /** when the gateway answered last, milliseconds since the epoch; any answer counts */
  readonly heardAtMs: () => number;
}

type Reporting = Pick<Gateway, 'report' | 'nextAttempt'>;

/** Seconds after which the service is asked to look at a pod whose algorithm's container does not come. */
const looksAfterSeconds = [3, 5, 5, 10] as const;

/**
 * Waits for the algorithm's container. The agent cannot see why it does not come (an image that is being pulled, or that
 * does not exist), and its own signs of life would hide that for ever: so it has the service look, less often in time.
 */
export const whileAskingForLooks = async <Result>(gateway: Reporting, work: Promise<Result>): Promise<Result> => {
  let asked = 0;
  let timer: NodeJS.Timeout;
  const askLater = (): void => {
    const seconds = looksAfterSeconds[Math.min(asked, looksAfterSeconds.length - 1)] ?? 10;
    timer = setTimeout(() => {
      asked += 1;
      // what fails here is found out by whatever the agent does next
      void askForLook(gateway, 'the algorithm has not begun yet').catch(() => undefined);
      askLater();
    }, seconds * 1_000);
  };
  askLater();
  return work.finally(() => clearTimeout(timer));
};

const askForLook = (gateway: Reporting, message: string): Promise<unknown> =>
  gateway.report({ outcome: 'failed', phase: 'stageInputs', type: 'PodChanged', message, retryable: true });

/** A sender that remembers when the gateway answered last, whatever it said. */
export const rememberAnswers = (send: Send): { readonly send: Send; readonly heardAtMs: () => number } => {
  let heardAtMs = Date.now();
  const hear = (): void => void (heardAtMs = Date.now());
  return {
    heardAtMs: () => heardAtMs,
    async send(call) {
      try {
        const answer = await send(call);
        hear();
        return answer;
      } catch (err) {
        if (err instanceof Refused) hear();
        throw err;
      }
    },
  };
};

/**
 * How long a gateway may be away while the pod is being ended. A kubelet does not shorten a grace that has begun, and
 * that grace may be an hour: an agent that nobody will ever answer must not keep the pod so long.
 */
const unheardMs = 120_000;
const lookEveryMs = 1_000;

/** Rejects with JobOver once the pod is being ended and no gateway has answered for too long; else never ends. */
export const endUnheard = async ({ ending, heardAtMs }: ClusterLife, patienceMs = unheardMs): Promise<never> => {
  await aborted(ending);
  const endedAtMs = Date.now();
  while (Date.now() - Math.max(heardAtMs(), endedAtMs) < patienceMs)
    await pause(Math.min(lookEveryMs, patienceMs), undefined, { ref: false });
  throw new JobOver();
};

/** Rejects with JobOver when the pod is being ended: before the plan is known, there is nothing to be done. */
export const endAtOnce = async ({ ending }: ClusterLife): Promise<never> => {
  await aborted(ending);
  throw new JobOver();
};

/** The pod ends before its algorithm began: nothing is there to be published. Rejects with JobOver, else never ends. */
export const endBeforeRun = async (gateway: Reporting, { ending }: ClusterLife, isReleased: () => boolean): Promise<never> => {
  await aborted(ending);
  if (isReleased()) return new Promise<never>(() => undefined);
  await askForLook(gateway, 'the pod is being ended');
  throw new JobOver();
};

/** How the pod's end reaches an algorithm that runs. */
export interface RunEnding {
  /** the pod was being ended before the algorithm had ended, so its exit says nothing about it */
  readonly wasFirst: () => boolean;
  /** resolves once the service knows, and has asked for what there is to publish: a job that goes on elsewhere never does */
  readonly publishingAwaited: Promise<void>;
  /** rejects with JobOver once the service says that the job goes on elsewhere, else never ends */
  readonly notNeeded: Promise<never>;
}

/**
 * Follows a running algorithm: from TERM on, which the cluster sends to both containers, it has its grace; then it is killed.
 * Whether the job ends here is the service's to know, so it is told at once and asked.
 */
export const followEnding = (
  gateway: Reporting,
  { ending, graceSeconds }: ClusterLife,
  { hasEnded, kill }: { readonly hasEnded: () => boolean; readonly kill: () => void },
): RunEnding => {
  let wasFirst = false;
  const publishingAwaited = (async () => {
    await aborted(ending);
    if (hasEnded()) return;
    wasFirst = true;
    setTimeout(() => hasEnded() || kill(), graceSeconds * 1_000);
    await gateway.report({ outcome: 'exitUnknown', phase: 'runAlgorithm' });
    await gateway.nextAttempt('publishOutputs', 0);
  })();
  // awaited by the publishing only, which may come much later
  publishingAwaited.catch(() => undefined);
  const notNeeded = publishingAwaited.then(() => new Promise<never>(() => undefined));
  notNeeded.catch(() => undefined);
  return { wasFirst: () => wasFirst, publishingAwaited, notNeeded };
};

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
