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
  /** writes to a terminal's keyboard */
  type(keys: string): void;
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
  /** true: a terminal, with a keyboard, instead of pipes; what is shown is the standard output */
  readonly terminal?: boolean;
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

const commandOf = (args: readonly string[], terminal: boolean): readonly [string, readonly string[]] => {
  const whole = ['--no-warnings', program, ...args];
  return terminal ? ['script', ['-qec', [process.execPath, ...whole].map(quote).join(' '), '/dev/null']] : [process.execPath, whole];
};

/** Starts `c2d` with nothing of this process's environment but its path. */
export const startCli = (args: readonly string[], { env = {}, stdin = '', terminal = false }: CliSurroundings = {}): RunningCli => {
  const child = spawn(...commandOf(args, terminal), { env: { PATH: process.env.PATH, ...env } });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (stdout += piece));
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (stderr += piece));
  child.stdin.on('error', () => undefined);
  if (!terminal) child.stdin.end(stdin);
  const end = once(child, 'close').then(([code]): CliEnd => ({ code: code as number | null, stdout, stderr }));
  return {
    child,
    end,
    type: (keys) => void child.stdin.write(keys),
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
