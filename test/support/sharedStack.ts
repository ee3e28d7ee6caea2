/** One stack for all end-to-end tests of a jest run: started by whoever needs it first, ended by globalTeardown. */

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { StackDescription } from './stackDescription.ts';

const startPatienceMs = 300_000;
const endPatienceMs = 90_000;

/** Folder of this jest run; globalSetup names it. */
const sharedFolder = (): string => {
  const folder = process.env.C2D_TEST_SHARED_STACK;
  if (folder === undefined) throw new Error("C2D_TEST_SHARED_STACK is not set: run the tests with the project's jest configuration");
  return folder;
};

const spawnHost = async (folder: string): Promise<void> => {
  const log = await open(path.join(folder, 'host.log'), 'a');
  const host = path.join(import.meta.dirname, 'stackHost.ts');
  const child = spawn(process.execPath, ['--no-warnings', host, folder, process.env.C2D_TEST_JEST_PID ?? ''], {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  child.unref();
  await log.close();
  const pid = await open(path.join(folder, 'host.pid'), 'w');
  await pid.writeFile(String(child.pid));
  await pid.close();
};

/** True for the one caller that has to start the host. */
const isFirst = async (folder: string): Promise<boolean> => {
  await mkdir(path.dirname(folder), { recursive: true });
  try {
    await mkdir(folder);
    return true;
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw err;
  }
};

/** The shared stack; the first call starts it and takes as long as that takes. */
export const joinSharedStack = async (): Promise<StackDescription> => {
  const folder = sharedFolder();
  if (await isFirst(folder)) await spawnHost(folder);
  const deadline = performance.now() + startPatienceMs;
  while (performance.now() < deadline) {
    if (existsSync(path.join(folder, 'stack.json')))
      return JSON.parse(await readFile(path.join(folder, 'stack.json'), 'utf8')) as StackDescription;
    if (existsSync(path.join(folder, 'failure')))
      throw new Error(`the stack did not start: ${await readFile(path.join(folder, 'failure'), 'utf8')}`);
    await delay(100);
  }
  throw new Error(`the stack did not start within ${startPatienceMs / 1_000} s; see ${folder}/host.log`);
};

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** Ends the shared stack if this run started one; it is gone when this resolves. */
export const closeSharedStack = async (): Promise<void> => {
  const pidFile = path.join(sharedFolder(), 'host.pid');
  if (!existsSync(pidFile)) return;
  const pid = Number(await readFile(pidFile, 'utf8'));
  if (isRunning(pid)) process.kill(pid, 'SIGTERM');
  const deadline = performance.now() + endPatienceMs;
  while (isRunning(pid)) {
    if (performance.now() > deadline) throw new Error(`the shared stack, process ${pid}, does not end`);
    await delay(50);
  }
};
