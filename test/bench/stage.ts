/** Where benchmarks take place: the whole service on this machine, and a person with the unmodified client library. */

import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ensureNodeAlgorithmImage } from '../../infra/toolchain/algorithmImage.ts';
import { ensureBusybox } from '../../infra/toolchain/busybox.ts';
import { ensureClients } from '../../infra/toolchain/clients.ts';
import type { ClientJob } from '../../infra/toolchain/demo/clientTypes.ts';
import { findJobObjects } from '../../infra/toolchain/demo/leftovers.ts';
import { startStack, type Stack, type StackOptions } from '../../infra/toolchain/stack.ts';

/** What a benchmark works with. */
export interface Stage {
  readonly stack: Stack;
  /** an image with `node` */
  readonly image: string;
  readonly client: BenchClient;
}

/** How the stage is built. */
export interface StageOptions extends Pick<StackOptions, 'environments' | 'cluster' | 'env'> {
  readonly report: (line: string) => void;
}

/**
 * Starts the service, lets `perform` work with it, and ends everything, also after a failure, Ctrl-C or SIGTERM.
 * @throws what `perform` throws; Error when it was interrupted
 */
export const onStage = async <Result>(
  { report, ...options }: StageOptions,
  perform: (stage: Stage) => Promise<Result>,
): Promise<Result> => {
  const interrupted = Promise.withResolvers<never>();
  interrupted.promise.catch(() => undefined);
  const onSignal = (): void => interrupted.reject(new Error('the benchmark was interrupted'));
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, onSignal);
  let stack: Stack | undefined;
  try {
    stack = await startStack({ report, ...options });
    const busybox = await ensureBusybox();
    const image = await stack.importImage(await ensureNodeAlgorithmImage({ docker: stack.docker, busyboxPath: busybox.path, report }));
    const stage = { stack, image, client: await loadClient(stack) };
    return await Promise.race([perform(stage), interrupted.promise]);
  } finally {
    await stack?.close();
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.removeListener(name, onSignal);
  }
};

/** What the library takes for a free job. */
export interface FreeJob {
  /** id of the compute environment; default: the first one */
  readonly environment?: string | undefined;
  readonly algorithm: unknown;
  readonly datasets?: readonly unknown[];
  readonly resources: readonly { readonly id: string; readonly amount: number }[];
}

/** A start as the client saw it; times in milliseconds since the epoch, with fractions. */
export interface StartedJob {
  readonly jobId: string;
  /** the POST left the client */
  readonly postedAtMs: number;
  /** the library returned the job */
  readonly acceptedAtMs: number;
}

/** The unmodified client library with a wallet of its own. */
export interface BenchClient {
  start(job: FreeJob): Promise<StartedJob>;
  result(jobId: string, index: number): Promise<Buffer>;
}

/** The part of `@oceanprotocol/lib` that is used here. */
interface OceanLibrary {
  readonly ProviderInstance: {
    freeComputeStart(
      apiUrl: string,
      signer: unknown,
      environment: string,
      datasets: readonly unknown[],
      algorithm: unknown,
      resources: readonly unknown[],
    ): Promise<readonly ClientJob[]>;
    getComputeEnvironments(apiUrl: string): Promise<readonly { readonly id: string }[]>;
    getComputeResult(apiUrl: string, signer: unknown, jobId: string, index: number): Promise<AsyncIterable<Uint8Array>>;
  };
}

/** Milliseconds since the epoch, finer than `Date.now()` and by the same clock. */
export const clockMs = (): number => performance.timeOrigin + performance.now();

/** In this process: a second one would add its pipes to what is measured. */
export const loadClient = async ({ apiUrl }: Stack): Promise<BenchClient> => {
  const { path: folder } = await ensureClients();
  const load = createRequire(path.join(folder, 'package.json'));
  const { ProviderInstance } = load('@oceanprotocol/lib') as OceanLibrary;
  const { Wallet } = load('ethers') as { Wallet: { createRandom(): unknown } };
  const signer = Wallet.createRandom();
  const [environment] = await ProviderInstance.getComputeEnvironments(apiUrl);
  if (environment === undefined) throw new Error('the service offers no environment');
  const posts = recordPosts();
  return {
    async start({ algorithm, datasets = [], resources, environment: id = environment.id }) {
      const [job] = await ProviderInstance.freeComputeStart(apiUrl, signer, id, datasets, algorithm, resources);
      const acceptedAtMs = clockMs();
      if (job === undefined) throw new Error('the start was answered with no job');
      return { jobId: job.jobId, postedAtMs: posts.lastAtMs(), acceptedAtMs };
    },
    async result(jobId, index) {
      const pieces: Uint8Array[] = [];
      for await (const piece of await ProviderInstance.getComputeResult(apiUrl, signer, jobId, index)) pieces.push(piece);
      return Buffer.concat(pieces);
    },
  };
};

/** The library asks for a nonce and signs before it posts; only the POST itself is the service's. */
const recordPosts = (): { lastAtMs(): number } => {
  const { fetch } = globalThis;
  let lastAtMs = 0;
  globalThis.fetch = (input, init) => {
    if (init?.method === 'POST') lastAtMs = clockMs();
    return fetch(input, init);
  };
  return { lastAtMs: () => lastAtMs };
};

/** One look at a job's status, without the library: unsigned, over a kept connection. */
export const readJob = async ({ apiUrl }: Stack, jobId: string): Promise<ClientJob> => {
  const response = await fetch(`${apiUrl}/api/services/compute?jobId=${jobId}`);
  const [job] = (await response.json()) as ClientJob[];
  if (!response.ok || job === undefined) throw new Error(`the service does not know the job ${jobId}`);
  return job;
};

/** Resolves with the time when no container and no volume of the job is left. */
export const awaitTeardown = async ({ docker }: Stack, jobId: string, patienceMs = 60_000): Promise<number> => {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const { containers, volumes } = await findJobObjects(docker, jobId);
    if (containers.length + volumes.length === 0) return clockMs();
    if (performance.now() > deadline) throw new Error(`job ${jobId} left ${[...containers, ...volumes].join(', ')}`);
    await delay(20);
  }
};
