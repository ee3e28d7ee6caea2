/** Names of stacks on the container engine: they tell which process a stack belongs to. */

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** Ticks since boot at which a process was started: with its number it names one process for ever. */
const startedAt = (pid: number): string | undefined => {
  try {
    // the name in parentheses may hold blanks and parentheses itself
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[19];
  } catch {
    return undefined;
  }
};

/** A new name for a stack of this process, e.g. `local-4711-90210-3fa85f64`. */
export const createInstanceName = (): string => `local-${process.pid}-${startedAt(process.pid) ?? '0'}-${randomBytes(4).toString('hex')}`;

/** True for a stack's name whose process has ended; false for every name that is not a stack's. */
export const isAbandoned = (instance: string): boolean => {
  const [, pid, ticks] = /^local-(\d+)-(\d+)-[0-9a-f]{8}$/.exec(instance) ?? [];
  // where /proc is missing nobody can be told dead
  if (pid === undefined || ticks === '0' || startedAt(process.pid) === undefined) return false;
  return startedAt(Number(pid)) !== ticks;
};
