import type { PodRef } from '../workflows/contract/job.ts';
import { keepAlive } from './keepAlive.ts';

export interface DeletePodDeps {
  readonly losses: {
    /** Tells clients why a pod attempt that is still the current one came to nothing. */
    recordLoss(loss: PodRef & { readonly reason: string }): Promise<void>;
  };
  readonly pods: { remove(pod: PodRef): Promise<void> };
}

/** Argument of `deletePod`. `lost`: why the job goes on in another pod; absent when it has ended. */
export interface DeletedPod extends PodRef {
  readonly lost?: string;
}

/** Nothing of this pod remains afterwards: no container, no volume, so no data. Safe to repeat. */
export const deletePod = ({ losses, pods }: DeletePodDeps) =>
  async function deletePod({ jobId, podAttempt, lost }: DeletedPod): Promise<void> {
    const pod = { jobId, podAttempt };
    await keepAlive(async () => {
      const told = lost === undefined ? undefined : losses.recordLoss({ ...pod, reason: `${lost}; the job runs again in another pod` });
      await Promise.all([told, pods.remove(pod)]);
    });
  };
