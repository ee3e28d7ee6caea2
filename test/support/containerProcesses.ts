/** Processes of containers as this machine sees them, found by the container's id: works for every runtime below Kubernetes. */

import { readdirSync, readFileSync } from 'node:fs';

const readOf = (pid: string, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
};

/** Number of a process within its own namespace. */
const innerPid = (pid: string): number => Number(/^NSpid:.*\t(\d+)$/m.exec(readOf(pid, 'status'))?.[1]);

/**
 * Number, on this machine, of a container's first process.
 * @param containerId as the kubelet tells it, e.g. `containerd://0123…`
 */
export const mainProcessOf = (containerId: string): number => {
  const id = containerId.replace(/^.*:\/\//, '');
  const pid = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .find((name) => readOf(name, 'cgroup').includes(id) && innerPid(name) === 1);
  if (id === '' || pid === undefined) throw new Error(`no process of the container ${containerId || 'without an id'} is on this machine`);
  return Number(pid);
};
