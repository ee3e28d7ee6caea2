/** API processes as they are installed, several on one database. Nothing is behind them: no chain, no Temporal. */

import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Wallet } from 'ethers';

/** Where one process is served. */
export interface ApiProcess {
  readonly url: string;
  readonly classic: string;
}

/** Processes that run until they are closed. */
export interface ApiProcesses {
  readonly processes: readonly ApiProcess[];
  close(): Promise<void>;
}

/** What all processes of one installation have in common. */
const settingsOf = (databaseUrl: string, folder: string): Record<string, string> => ({
  PATH: process.env.PATH ?? '',
  ...(process.env.NODE_COMPILE_CACHE !== undefined && { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE }),
  DATABASE_URL: databaseUrl,
  C2D_ENCRYPTION_KEYS: `a:${randomBytes(32).toString('base64')}`,
  C2D_ENVIRONMENTS: '[{"id":"small"}]',
  C2D_CHAINS: `[{"chainId":8996,"rpcUrl":"http://127.0.0.1:9","erc721FactoryAddress":"0x${'1'.repeat(40)}"}]`,
  C2D_PROVIDER_PRIVATE_KEY: Wallet.createRandom().privateKey,
  C2D_TEMPORAL_ADDRESS: '127.0.0.1:9',
  C2D_STORAGE_FOLDER: folder,
  ...{ C2D_API_PORT: '0', C2D_CLASSIC_PORT: '0', C2D_HEALTH_PORT: '0' },
  ...{ C2D_API_RATE_PER_IP: '0', C2D_API_RATE_PER_ADDRESS: '0' },
});

const awaitReady = async (child: ChildProcess): Promise<ApiProcess> => {
  let ready: ApiProcess | undefined;
  for await (const line of createInterface({ input: child.stdout! })) {
    const entry = JSON.parse(line) as Record<string, string>;
    if (entry['msg'] !== 'the API is ready') continue;
    ready = { url: entry['url']!, classic: entry['classic']! };
    break;
  }
  if (ready === undefined) throw new Error('the API ended before it was ready');
  child.stdout!.resume();
  return ready;
};

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
};

/** Starts `count` processes of one installation. */
export const startApiProcesses = async (count: number, databaseUrl: string): Promise<ApiProcesses> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'c2d-processes-'));
  const env = settingsOf(databaseUrl, folder);
  const cwd = path.join(import.meta.dirname, '../..');
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, ['api/main.ts'], { cwd, stdio: ['ignore', 'pipe', 'inherit'], env }),
  );
  const close = async (): Promise<void> => {
    await Promise.all(children.map(end));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    return { processes: await Promise.all(children.map(awaitReady)), close };
  } catch (err) {
    await close();
    throw err;
  }
};
