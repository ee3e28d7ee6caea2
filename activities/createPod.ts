import { cancellationSignal, heartbeat } from '@temporalio/activity';
import { JobFailure, isJobFailure } from '../workflows/contract/failures.ts';
import type { PodRef } from '../workflows/contract/job.ts';
import type { PodSpec } from '../workflows/contract/pod.ts';
import { longestQueue, type Claim, type PlaceAnswer, type QueueRef } from '../workflows/contract/queue.ts';
import { status } from '../workflows/contract/status.ts';
import { keepAlive } from './keepAlive.ts';

export interface CreatePodDeps {
  readonly places: {
    /** Asks for a place; the answer comes at once, a place that becomes free later is told to the job's workflow. */
    requestPlace(queue: QueueRef, claim: Claim): Promise<PlaceAnswer>;
  };
  readonly podSpecs: {
    /** Everything about the pod, from what was validated. */
    podSpecOf(pod: PodRef): Promise<PodSpec>;
  };
  readonly attempts: {
    /** Makes this pod attempt the current one: older attempts' tokens are worth nothing afterwards. */
    beginPodAttempt(attempt: PodRef & { readonly hasPlace: boolean }): Promise<void>;
  };
  readonly records: {
    /** Says more about the state that a job is in; never moves it backward. */
    recordProgress(record: PodRef & { readonly status: number; readonly reason: string }): Promise<void>;
  };
  readonly pods: {
    create(spec: PodSpec, onProgress: (line: string) => void, signal?: AbortSignal): Promise<void>;
  };
}

/** Argument of `createPod`. */
export interface PodRequest {
  readonly pod: PodRef;
  /** null: the job takes no place */
  readonly place: { readonly queue: QueueRef; readonly consumerKey: string } | null;
}

/** `waiting`: there is no pod yet; call again once the place was granted. */
export interface PodCreation {
  readonly kind: 'created' | 'waiting';
}

/**
 * Takes a place in the environment and creates the job's pod. Afterwards only this pod attempt's agent may report.
 * Safe to repeat: a place is taken once, and a pod that exists already is adopted.
 */
export const createPod = ({ places, podSpecs, attempts, records, pods }: CreatePodDeps) =>
  async function createPod({ pod, place }: PodRequest): Promise<PodCreation> {
    const { jobId } = pod;
    let progress = 'asking for a place';
    const onProgress = (line: string): void => {
      progress = line;
      heartbeat({ progress });
    };
    const signal = cancellationSignal();
    const create = async (): Promise<PodCreation> => {
      const asked = place === null ? null : places.requestPlace(place.queue, { jobId, consumerKey: place.consumerKey });
      // at the same time: every millisecond here is one before the algorithm's first instruction
      const [answer, spec] = await Promise.all([asked, podSpecs.podSpecOf(pod)]);
      if (answer?.kind === 'full') throw queueFull();
      if (answer?.kind === 'waiting') return { kind: 'waiting' };
      await attempts.beginPodAttempt({ ...pod, hasPlace: place !== null });
      progress = 'creating the pod';
      await pods.create(spec, onProgress, signal).catch((err: unknown) => tellWhatIsInTheWay({ records }, pod, err));
      return { kind: 'created' };
    };
    return keepAlive(create, () => ({ progress }));
  };

/** A failure that is tried again keeps the job waiting: clients read why. */
const tellWhatIsInTheWay = async ({ records }: Pick<CreatePodDeps, 'records'>, pod: PodRef, err: unknown): Promise<never> => {
  if (isJobFailure(err) && err.retryAfterSeconds !== undefined)
    await records.recordProgress({ ...pod, status: status.pullingImage, reason: err.message });
  throw err;
};

const queueFull = (): JobFailure =>
  new JobFailure('NoCapacity', `${longestQueue} jobs wait for this environment already; try again later or choose another one`);
