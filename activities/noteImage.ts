import type { PodRef } from '../workflows/contract/job.ts';
import type { PodOutcome } from '../workflows/contract/pod.ts';

export interface ImageNotesDeps {
  readonly images: {
    /** Remembers what a pod's algorithm runs in; the first word counts. */
    recordImage(image: PodRef & { readonly image: string }): Promise<void>;
  };
}

/** Keeps what a look at the pod told of its image, for the manifest of the results. */
export const noteImage = async ({ images }: ImageNotesDeps, pod: PodRef, outcome: PodOutcome): Promise<void> => {
  if (outcome.kind !== 'failed' && outcome.image !== undefined)
    await images.recordImage({ jobId: pod.jobId, podAttempt: pod.podAttempt, image: outcome.image });
};
