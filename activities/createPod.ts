import { activityInfo, cancellationSignal, heartbeat } from '@temporalio/activity';
import { JobFailure } from '../workflows/contract/failures.ts';
import type { PodRef } from '../workflows/contract/job.ts';
import type { PodSpec } from '../workflows/contract/pod.ts';
import { keepAlive } from './keepAlive.ts';

/** A place in an environment, as the ledger gives it out. */
interface Place {
  readonly taken: boolean;
  readonly others: number;
}

export interface CreatePodDeps {
  readonly places: {
    /** The number of jobs of this kind that the job's environment takes at once. */
    maxJobs(jobId: string): Promise<number>;
    takePlace(request: { readonly jobId: string; readonly podAttempt: number; readonly maxJobs: number }): Promise<Place>;
  };
  readonly podSpecs: {
    /** Everything about the pod, from what was validated. */
    podSpecOf(pod: PodRef): Promise<PodSpec>;
  };
  readonly pods: {
    create(spec: PodSpec, onProgress: (line: string) => void, signal?: AbortSignal): Promise<void>;
  };
}

/** Argument of `createPod`. */
export interface PodRequest {
  readonly pod: PodRef;
  /** longest wait for a place, counted from the first try */
  readonly queueSeconds: number;
}

const secondsBetweenLooks = 1;

/**
 * Takes a place in the environment and creates the job's pod. Afterwards only this pod attempt's agent may report.
 * Safe to repeat: a place is taken once, and a pod that exists already is adopted.
 */
export const createPod = ({ places, podSpecs, pods }: CreatePodDeps) =>
  async function createPod({ pod, queueSeconds }: PodRequest): Promise<void> {
    const maxJobs = await places.maxJobs(pod.jobId);
    const { taken, others } = await places.takePlace({ ...pod, maxJobs });
    if (!taken) {
      const waitedSeconds = (Date.now() - activityInfo().scheduledTimestampMs) / 1_000;
      if (waitedSeconds >= queueSeconds)
        throw new JobFailure(
          'QueueTimedOut',
          `all ${maxJobs} places of the environment stayed taken for ${Math.round(waitedSeconds)} s; try again later or allow a longer queueMaxWaitTime`,
        );
      throw new JobFailure('NoCapacity', `queued: ${others} of ${maxJobs} places are taken`, { retryAfterSeconds: secondsBetweenLooks });
    }
    const spec = await podSpecs.podSpecOf(pod);
    let progress = 'creating the pod';
    const onProgress = (line: string): void => {
      progress = line;
      heartbeat({ progress });
    };
    const signal = cancellationSignal();
    await keepAlive(
      () => pods.create(spec, onProgress, signal),
      () => ({ progress }),
    );
  };
