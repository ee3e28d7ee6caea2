/** Starts servers as child processes, waits until they serve, and ends them. */

import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cacheFolder } from './cache.ts';
import { guardProgram, releaseProgram } from './guard.ts';
import { messageOf } from './parts.ts';

/** What to start. Output goes to `logFile` itself, so the program does not depend on us reading it. */
export interface ProgramOptions {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly logFile: string;
  /** the whole environment; default: ours */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** ends it gracefully; default SIGTERM */
  readonly stopSignal?: NodeJS.Signals;
  /** milliseconds until SIGKILL; default 20,000 */
  readonly stopPatienceMs?: number;
}

/** A running program. */
export interface Program {
  readonly name: string;
  readonly pid: number;
  /** resolves with a text such as `exit code 1` once it has ended */
  readonly ended: Promise<string>;
  hasEnded(): boolean;
  /** Sends a signal; nothing happens if it has ended. */
  kill(signal: NodeJS.Signals): void;
  /** Ends it gracefully, by force after its patience. Safe to repeat. */
  close(): Promise<void>;
}

const living = new Set<Program>();

// the last line of defence: nothing outlives us, also after an uncaught failure
process.on('exit', () => {
  for (const program of living) program.kill('SIGKILL');
});

/**
 * Starts a program in a process group of its own: a Ctrl-C in the terminal reaches us only, and we end programs in order.
 * @throws Error if the file cannot be executed
 */
export const startProgram = async (options: ProgramOptions): Promise<Program> => {
  mkdirSync(path.dirname(options.logFile), { recursive: true });
  const log = openSync(options.logFile, 'a');
  const child = spawn(options.file, options.args, {
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...(options.env ?? process.env) },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.uid !== undefined && { uid: options.uid }),
    ...(options.gid !== undefined && { gid: options.gid }),
  });
  closeSync(log);
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code ?? 'unknown'}` : `signal ${signal}`));
  });
  await once(child, 'spawn');
  const { pid } = child;
  if (pid === undefined) throw new Error(`${options.name} has no process id`);
  let isOver = false;
  const program: Program = {
    name: options.name,
    pid,
    ended,
    hasEnded: () => isOver,
    kill: (signal) => {
      if (!isOver) child.kill(signal);
    },
    close: () => closeProgram(program, options),
  };
  living.add(program);
  guardProgram(pid);
  void ended.then(() => {
    isOver = true;
    living.delete(program);
    releaseProgram(pid);
  });
  return program;
};

const closeProgram = async (program: Program, options: ProgramOptions): Promise<void> => {
  if (program.hasEnded()) return;
  program.kill(options.stopSignal ?? 'SIGTERM');
  const force = setTimeout(() => program.kill('SIGKILL'), options.stopPatienceMs ?? 20_000);
  await program.ended;
  clearTimeout(force);
};

/**
 * Waits until `check` resolves.
 * @param program fails at once, with the end of its log, if it ends meanwhile
 * @throws Error with the last reason after `patienceMs`
 */
export const waitUntilReady = async (
  program: Program,
  check: () => Promise<void>,
  { patienceMs, logFile }: { readonly patienceMs: number; readonly logFile: string },
): Promise<void> => {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const problem = await check().then(
      () => undefined,
      (err: unknown) => messageOf(err),
    );
    if (problem === undefined) return;
    if (program.hasEnded()) throw new Error(`${program.name} ended with ${await program.ended}: ${readTail(logFile)}`);
    if (performance.now() > deadline) throw new Error(`${program.name} is not ready after ${patienceMs / 1_000} s: ${problem}`);
    await delay(25);
  }
};

/** The last lines of a log as one line, for messages. */
export const readTail = (file: string, lines = 8): string =>
  existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join(' | ') : 'it wrote no log';

/**
 * Where ports are looked for: below those that kernels give to outgoing connections, which would take a port between
 * its being found and its being used, and below a cluster's node ports.
 */
const portRange = { first: 15_000, last: 29_999 };
const mostTries = 50;
/**
 * One file for each port that is given away, named by it, with the id of the process that it was given to: whoever asked
 * may not listen yet. It counts for as long as that process lives.
 */
const givenFolder = path.join(cacheFolder(), 'ports');
const taken = new Set<string>();
process.once('exit', () => taken.forEach((file) => rmSync(file, { force: true })));

/**
 * Free TCP ports of an address of this machine, all different. Nobody holds them, but nobody else is given them either
 * while this process lives.
 * @throws Error if no more can be found
 */
export const findFreePorts = async (count: number, address = '127.0.0.1'): Promise<readonly number[]> => {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await findFreePort(address));
  return ports;
};

const findFreePort = async (address: string): Promise<number> => {
  let reason = 'all are given away';
  for (let tries = 0; tries < mostTries; tries += 1) {
    const port = randomInt(portRange.first, portRange.last + 1);
    if (!take(port)) continue;
    const problem = await tryPort(port, address);
    if (problem === undefined) return port;
    reason = problem;
  }
  throw new Error(`no free port of ${address} was found from ${portRange.first} to ${portRange.last}: ${reason}`);
};

/** @returns false if the port was given to a process that lives */
const take = (port: number): boolean => {
  mkdirSync(givenFolder, { recursive: true, mode: 0o700 });
  const file = path.join(givenFolder, String(port));
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      taken.add(file);
      return true;
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'EEXIST') throw err;
    }
    if (isHeld(file)) return false;
    rmSync(file, { force: true });
  }
};

const isHeld = (file: string): boolean => {
  try {
    return process.kill(Number(readFileSync(file, 'utf8')), 0);
  } catch (err) {
    // somebody else's process lives too
    return (err as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** @returns why it cannot be listened on; undefined if it can */
const tryPort = async (port: number, host: string): Promise<string | undefined> => {
  const server = createServer();
  try {
    server.listen({ port, host });
    await once(server, 'listening');
    return undefined;
  } catch (err) {
    return messageOf(err);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
};
