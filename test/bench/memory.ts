/** Resident memory of processes of this machine, sampled. */

import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { podParts } from '../../infra/pods/dockerSpec.ts';
import type { Stack } from '../../infra/toolchain/stack.ts';

const sampleMs = 50;

/** Highest resident memory seen so far, in bytes; null for a process that was never seen. */
export interface MemoryWatch {
  stop(): Promise<number | null>;
}

/**
 * Watches one process until `stop`.
 * @param findPid the process, or undefined while it is not there; asked until it is
 */
export const watchMemory = (findPid: () => Promise<number | undefined>): MemoryWatch => {
  let highest: number | null = null;
  let stopped = false;
  const watching = (async () => {
    let pid: number | undefined;
    while (!stopped) {
      pid ??= await findPid();
      const bytes = pid === undefined ? undefined : await readResidentBytes(pid);
      if (bytes !== undefined) highest = Math.max(highest ?? 0, bytes);
      await delay(sampleMs);
    }
    return highest;
  })();
  return {
    stop: () => {
      stopped = true;
      return watching;
    },
  };
};

/** The agent of a job's first pod. Known only where the engine runs on this machine. */
export const findAgentProcess = async ({ docker }: Pick<Stack, 'docker'>, jobId: string): Promise<number | undefined> => {
  try {
    const { State } = await docker.getContainer(podParts({ jobId, podAttempt: 1 }).agent).inspect();
    return State.Pid > 0 ? State.Pid : undefined;
  } catch {
    return undefined;
  }
};

/** Resident memory of a process in bytes; undefined if it is not there. */
export const readResidentBytes = async (pid: number): Promise<number | undefined> => {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
};
