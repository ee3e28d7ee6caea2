/** A local Ethereum chain: the anvil binary of the npm package @foundry-rs/anvil. */

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { guardProgram, releaseProgram } from '../guard.ts';
import { findFreePorts } from '../program.ts';

export const localChainId = 8996;

const readyPatienceMs = 20_000;
const endPatienceMs = 5_000;

/** A running anvil. */
export interface Anvil {
  readonly rpcUrl: string;
  /** ends the chain; with a data folder its state is on disk afterwards */
  close(): Promise<void>;
}

const anvilBinary = (): string => {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const suffix = process.platform === 'win32' ? 'bin/anvil.exe' : 'bin/anvil';
  const require = createRequire(import.meta.url);
  return require.resolve(`@foundry-rs/anvil-${process.platform}-${architecture}/${suffix}`, {
    paths: [require.resolve('@foundry-rs/anvil/package.json')],
  });
};

/**
 * One JSON-RPC call, or several in one request.
 * @throws Error with the node's message when a call failed
 */
export const callRpc = async (rpcUrl: string, calls: readonly { readonly method: string; readonly params: readonly unknown[] }[]) => {
  const response = await fetch(rpcUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(calls.map((call, id) => ({ jsonrpc: '2.0', id, ...call }))),
    signal: AbortSignal.timeout(30_000),
  });
  const answers = (await response.json()) as { id: number; result?: unknown; error?: { message: string } }[];
  return answers
    .toSorted((a, b) => a.id - b.id)
    .map(({ result, error }) => {
      if (error !== undefined) throw new Error(`the local chain refused a call: ${error.message}`);
      return result;
    });
};

const awaitReady = async (rpcUrl: string, child: ChildProcess, output: () => string): Promise<void> => {
  const deadline = Date.now() + readyPatienceMs;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the local chain did not start: ${output()}`);
    try {
      await callRpc(rpcUrl, [{ method: 'eth_chainId', params: [] }]);
      return;
    } catch {
      if (Date.now() > deadline) throw new Error(`the local chain did not answer: ${output()}`);
      await sleep(20);
    }
  }
};

const endChild = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGINT');
  const timer = setTimeout(() => child.kill('SIGKILL'), endPatienceMs);
  await ended;
  clearTimeout(timer);
};

/** In a process group of its own, so that a Ctrl-C in the terminal reaches us only; it does not outlive us, however we end. */
const spawnGuarded = (args: readonly string[]) => {
  const child = spawn(anvilBinary(), args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const { pid } = child;
  if (pid !== undefined) {
    guardProgram(pid);
    child.once('exit', () => releaseProgram(pid));
  }
  return child;
};

/**
 * Starts a chain with id 8996 and automatic mining on 127.0.0.1; resolves once it answers.
 * @param options.dataFolder where the chain is kept between runs; absent: in memory
 * @param options.port 0 or absent takes a free one
 */
export const startAnvil = async (options: { readonly dataFolder?: string; readonly port?: number } = {}): Promise<Anvil> => {
  const [freePort = 0] = options.port ? [] : await findFreePorts(1);
  const port = options.port ? options.port : freePort;
  const keep: string[] = [];
  if (options.dataFolder !== undefined) {
    mkdirSync(options.dataFolder, { recursive: true });
    keep.push('--state', join(options.dataFolder, 'chain.json'), '--state-interval', '5');
  }
  const args = ['--host', '127.0.0.1', '--port', String(port), '--chain-id', String(localChainId), '--order', 'fifo', '--silent'];
  const child = spawnGuarded([...args, '--gas-limit', '200000000', ...keep]);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text = (text + chunk.toString()).slice(-2_000)));
  const failed = new Promise<never>((_resolve, reject) => child.once('error', reject));
  const killWithParent = (): void => void child.kill('SIGKILL');
  process.once('exit', killWithParent);
  const close = async (): Promise<void> => {
    await endChild(child);
    process.removeListener('exit', killWithParent);
  };
  const rpcUrl = `http://127.0.0.1:${port}`;
  try {
    await Promise.race([awaitReady(rpcUrl, child, () => text), failed]);
  } catch (err) {
    await close();
    throw err;
  }
  return { rpcUrl, close };
};
