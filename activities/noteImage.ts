import { podName } from '../workflows/contract/ids.ts';
import type { PodRef } from '../workflows/contract/job.ts';
import type { PodOutcome } from '../workflows/contract/pod.ts';

export interface ImageNotesDeps {
  readonly images: {
    /** Remembers what a pod's algorithm runs in; the first word counts. */
    recordImage(image: PodRef & { readonly image: string }): Promise<void>;
  };
}

const rememberedPods = 20_000;

/** Writes the image of each pod once; what could not be written is written by the next look. */
export const onceForEachPod = (images: ImageNotesDeps['images']): ImageNotesDeps['images'] => {
  const noted = new Set<string>();
  return {
    async recordImage(image) {
      const name = podName(image);
      if (noted.has(name)) return;
      if (noted.size >= rememberedPods) noted.clear();
      noted.add(name);
      await images.recordImage(image).catch((err: unknown) => {
        noted.delete(name);
        throw err;
      });
    },
  };
};

/** Keeps what a look at the pod told of its image, for the manifest of the results. */
export const noteImage = async ({ images }: ImageNotesDeps, pod: PodRef, outcome: PodOutcome): Promise<void> => {
  if (outcome.kind !== 'failed' && outcome.image !== undefined)
    await images.recordImage({ jobId: pod.jobId, podAttempt: pod.podAttempt, image: outcome.image });
};
