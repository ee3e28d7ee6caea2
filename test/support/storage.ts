/** Holds up the folder in which the service keeps results, for one job alone. */

import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Scene } from './scene.ts';

/** An obstacle in the result store's way. */
export interface StorageObstacle {
  /** the store takes this job's results again */
  remove(): Promise<void>;
}

/** Puts a file where the folder of the job's results belongs: not even root can write below it. */
export const obstructStorage = async ({ stack }: Pick<Scene, 'stack'>, jobId: string): Promise<StorageObstacle> => {
  const place = path.join(stack.storageFolder, jobId);
  await mkdir(stack.storageFolder, { recursive: true });
  await writeFile(place, 'in the way');
  return { remove: () => rm(place) };
};
