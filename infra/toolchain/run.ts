/** Runs programs that fetch and build parts: output shown as progress, failures in one line. */

import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { execa } from 'execa';
import { messageOf, type Report } from './parts.ts';

/** How to run a program; without `report` its output is only collected. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly report?: Report;
}

/**
 * Runs a program to its end.
 * @returns what it wrote to stdout, trimmed
 * @throws Error with the last lines that it wrote if it fails, cannot be started, or takes longer than `timeoutMs`
 */
export const runProgram = async (file: string, args: readonly string[], options: RunOptions = {}): Promise<string> => {
  const child = execa(file, args, {
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.env !== undefined && { env: options.env }),
    ...(options.timeoutMs !== undefined && { timeout: options.timeoutMs }),
    ...(options.uid !== undefined && { uid: options.uid }),
    ...(options.gid !== undefined && { gid: options.gid }),
    stdin: 'ignore',
    reject: false,
    all: true,
  });
  const { report } = options;
  if (report !== undefined) {
    for await (const line of child.iterable({ from: 'all' })) report(line);
  }
  const result = await child;
  if (!result.failed) return result.stdout.trim();
  const tail = result.all.trim().split('\n').slice(-3).join(' | ');
  throw new Error(
    `${path.basename(file)} ${args[0] ?? ''} failed${result.timedOut ? ' (took too long)' : ''}: ${messageOf(tail || result.shortMessage)}`,
  );
};

/** The executable file that the PATH names, as an absolute path. */
export const findOnPath = (name: string, searchPath: string = process.env.PATH ?? ''): string | undefined => {
  const isExecutable = (file: string): boolean => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };
  // daemons live in sbin, which the PATH of ordinary users may lack
  const folders = [...searchPath.split(path.delimiter), '/usr/sbin', '/sbin'].filter((folder) => path.isAbsolute(folder));
  return folders.map((folder) => path.join(folder, name)).find(isExecutable);
};
