/** What is left of a cluster once its processes have ended, and how it is removed. */

import { existsSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { removeControlGroup } from './controlGroup.ts';
import type { ClusterPlace } from './place.ts';
import { removeTree } from './removeTree.ts';

/**
 * Removes folder and control groups. The rest, which is processes, mounts and networks, goes with the machine, which
 * goes with its host.
 * @returns false if there was nothing
 */
export const removeLeftovers = async ({ folder, controlGroup, failureLogs }: ClusterPlace): Promise<boolean> => {
  const isThere = existsSync(folder);
  await removeControlGroup(controlGroup);
  for (const each of [folder, failureLogs]) await removeTree(each);
  return isThere;
};

/** Keeps the logs of a cluster that did not come up, until the next start or end. */
export const keepFailureLogs = async ({ folder, failureLogs }: ClusterPlace): Promise<void> => {
  const logs = path.join(folder, 'logs');
  if (!existsSync(logs)) return;
  await mkdir(failureLogs, { recursive: true });
  await cp(logs, failureLogs, { recursive: true });
};
