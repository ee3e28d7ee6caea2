import type { PodRef } from '../workflows/contract/job.ts';
import { keepAlive } from './keepAlive.ts';

export interface DeletePodDeps {
  readonly pods: { remove(pod: PodRef): Promise<void> };
}

/** Nothing of this pod remains afterwards: no container, no volume, so no data. Safe to repeat. */
export const deletePod = ({ pods }: DeletePodDeps) =>
  async function deletePod(pod: PodRef): Promise<void> {
    await keepAlive(() => pods.remove(pod));
  };
