/** The control groups below which a cluster's pods live: one folder in each hierarchy of the machine. */

import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readFile, readdir, realpath, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MissingPart } from '../parts.ts';

const mountPoint = '/sys/fs/cgroup';
const removalPatienceMs = 10_000;

/** Version 2 has one hierarchy, version 1 one for each controller; links are other names of the same. */
const listHierarchies = async (): Promise<readonly string[]> => {
  if (existsSync(path.join(mountPoint, 'cgroup.controllers'))) return [mountPoint];
  const folders = existsSync(mountPoint) ? readdirSync(mountPoint).map((name) => path.join(mountPoint, name)) : [];
  const real = await Promise.all(folders.map((folder) => realpath(folder)));
  return [...new Set(real)].filter((folder) => existsSync(path.join(folder, 'cgroup.procs')));
};

/**
 * Makes the group in every hierarchy.
 * @throws MissingPart if the machine has no control groups that we may write
 */
export const createControlGroup = async (name: string): Promise<void> => {
  const hierarchies = await listHierarchies();
  const remedy = 'run it as root on a machine (or a privileged container) with control groups below /sys/fs/cgroup';
  if (hierarchies.length === 0) throw new MissingPart('cluster', 'there are no control groups', remedy);
  for (const hierarchy of hierarchies) {
    await mkdir(path.join(hierarchy, name), { recursive: true }).catch((err: unknown) => {
      throw new MissingPart('cluster', `control groups cannot be made: ${String(err)}`, remedy);
    });
  }
  // version 2 hands controllers down on request only; what it lacks the kubelet names
  for (const controller of ['cpu', 'cpuset', 'memory', 'pids', 'io'])
    await writeFile(path.join(mountPoint, 'cgroup.subtree_control'), `+${controller}`).catch(() => undefined);
};

/** Ends every process in the group and removes it with everything below. Nothing happens if there is none. */
export const removeControlGroup = async (name: string): Promise<void> => {
  const folders = (await listHierarchies()).map((hierarchy) => path.join(hierarchy, name)).filter((folder) => existsSync(folder));
  const deadline = performance.now() + removalPatienceMs;
  for (const folder of folders) {
    // a group stays busy until the last process in it is really gone
    while (existsSync(folder)) {
      await emptyFolder(folder);
      if (existsSync(folder) && performance.now() > deadline) throw new Error(`the control group ${folder} does not go away`);
      if (existsSync(folder)) await delay(50);
    }
  }
};

const emptyFolder = async (folder: string): Promise<void> => {
  const below = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of below) if (entry.isDirectory()) await emptyFolder(path.join(folder, entry.name));
  const processes = await readFile(path.join(folder, 'cgroup.procs'), 'utf8').catch(() => '');
  for (const pid of processes.split('\n').filter((line) => line !== '' && line !== '0')) endProcess(Number(pid));
  await rmdir(folder).catch(() => undefined);
};

const endProcess = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it ended by itself
  }
};
