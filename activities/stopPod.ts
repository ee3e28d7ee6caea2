import type { PodRef } from '../workflows/contract/job.ts';
import type { PodOutcome } from '../workflows/contract/pod.ts';
import { keepAlive } from './keepAlive.ts';

export interface StopPodDeps {
  readonly pods: {
    stop(pod: PodRef, graceSeconds: number): Promise<void>;
    observe(pod: PodRef): Promise<PodOutcome>;
  };
}

/** How a stopped algorithm ended: null when it never ran or its container is gone. */
export interface StoppedAlgorithm {
  readonly exitCode: number | null;
  readonly finishedAtMs: number | null;
}

/** Ends the algorithm, with TERM first; the agent stays to publish what exists. Safe to repeat. */
export const stopPod = ({ pods }: StopPodDeps) =>
  async function stopPod({ pod, graceSeconds }: { readonly pod: PodRef; readonly graceSeconds: number }): Promise<StoppedAlgorithm> {
    await keepAlive(() => pods.stop(pod, graceSeconds));
    const outcome = await pods.observe(pod);
    return outcome.kind === 'ended'
      ? { exitCode: outcome.exitCode, finishedAtMs: outcome.finishedAtMs }
      : { exitCode: null, finishedAtMs: null };
  };
