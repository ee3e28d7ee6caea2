/** The real program as a child process. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

const program = path.join(import.meta.dirname, '../../../../api/cli/main.ts');

/** How it ended, and what it said. */
export interface CliEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that runs. */
export interface RunningCli {
  readonly child: ChildProcess;
  /** everything on the standard output so far */
  stdout(): string;
  /** Resolves when the standard output holds `text`. */
  saw(text: string): Promise<void>;
  readonly end: Promise<CliEnd>;
}

/** What surrounds a run. */
export interface CliSurroundings {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

/** Starts `c2d` with nothing of this process's environment but its path. */
export const startCli = (args: readonly string[], { env = {}, stdin = '' }: CliSurroundings = {}): RunningCli => {
  const child = spawn(process.execPath, ['--no-warnings', program, ...args], { env: { PATH: process.env.PATH, ...env } });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (stdout += piece));
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (stderr += piece));
  child.stdin.on('error', () => undefined).end(stdin);
  const end = once(child, 'close').then(([code]): CliEnd => ({ code: code as number | null, stdout, stderr }));
  return {
    child,
    end,
    stdout: () => stdout,
    async saw(text) {
      while (!stdout.includes(text)) {
        const ended = await Promise.race([once(child.stdout, 'data').then(() => false), end.then(() => true)]);
        if (ended && !stdout.includes(text)) throw new Error(`c2d ended without ${text}: ${stdout}${stderr}`);
      }
    },
  };
};

/** Runs `c2d` to its end. */
export const runCli = (args: readonly string[], surroundings?: CliSurroundings): Promise<CliEnd> => startCli(args, surroundings).end;
