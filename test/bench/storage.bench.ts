/** `npm run bench:storage`: outputs of jobs into a bucket and into IPFS, beside plain clients that store the same files. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensureKubo, startIpfsServer } from '../../infra/toolchain/kubo.ts';
import type { EnvironmentSettings } from '../../infra/toolchain/serviceEnvironment.ts';
import { ensureVersitygw, startS3Server } from '../../infra/toolchain/versitygw.ts';
import type { Summary } from './figures.ts';
import { readResidentBytes } from './memory.ts';
import { publishByJob, withFolderOf, type Load } from './outputLoad.ts';
import { addPlainly } from './plainIpfs.ts';
import { uploadPlainly } from './plainS3.ts';
import { awaitTeardown, onStage, type Stage } from './stage.ts';
import {
  figuresOf,
  inSeconds,
  judge,
  labelOf,
  renderFigures,
  type Figures,
  type Loads,
  type Measured,
  type MeasuredStore,
} from './storageFigures.ts';
import { pick, runTrivialJob } from './trivialJob.ts';

/** How it is run. */
export interface StorageBenchOptions {
  /** of the large file */
  readonly bytes: number;
  /** how many small files, and how large each is */
  readonly files: number;
  readonly fileBytes: number;
  /** trivial jobs for each kind of store */
  readonly jobs: number;
  readonly print?: (line: string) => void;
}

/** Environments by their kind of store. */
const stores = ['local', 'bucket', 'ipfs'] as const;
type StoreName = (typeof stores)[number];

/** Stores a folder without the service. @returns milliseconds */
type StorePlainly = (folder: string) => Promise<number>;
type PlainClients = Readonly<Record<MeasuredStore, StorePlainly>>;

const environmentFor = (id: string, storage: string, { bytes, files, fileBytes }: StorageBenchOptions): EnvironmentSettings => {
  const gibibytes = Math.ceil(Math.max(bytes, files * fileBytes * 2) / 1024 ** 3) + 1;
  return {
    ...{ id, storage, free: {} },
    resources: {
      cpu: { min: 1, max: 1, total: 2 },
      ram: { min: 0.5, max: 1, total: 4 },
      disk: { min: 1, max: gibibytes, total: 2 * gibibytes },
    },
    limits: { outputBytes: gibibytes * 1024 ** 3, outputFiles: files + 10 },
  };
};

interface Measuring {
  readonly stage: Stage;
  readonly plainClients: PlainClients;
  readonly folder: string;
  readonly print: (line: string) => void;
}

/**
 * The plain client goes before and after the job: what else the machine does at a time slows down both. Each has bytes of its
 * own, because content that IPFS has already is not written again.
 */
const createMeasure = ({ stage, plainClients, folder, print }: Measuring) => {
  let seed = 0;
  return async (store: MeasuredStore, load: Load): Promise<Measured> => {
    const took = (what: string, milliseconds: number): void =>
      print(`  ${labelOf({ store, ...load })}, ${what}: ${inSeconds(milliseconds)} s`);
    const storePlainly = async () => {
      const milliseconds = await withFolderOf(load, { folder: path.join(folder, 'plain'), seed: (seed += 1) }, plainClients[store]);
      took('plain client', milliseconds);
      return milliseconds;
    };
    const before = await storePlainly();
    const job = await publishByJob(stage, load, { environment: store, seed: (seed += 1) });
    took('job', job.publish);
    const after = await storePlainly();
    return { store, ...load, ...job, plain: (before + after) / 2 };
  };
};

/** Times from the algorithm's exit to the listed results of jobs that write nothing, in turn for each kind of store. */
const measureTrivialJobs = async (stage: Stage, jobs: number): Promise<Readonly<Record<StoreName, Summary>>> => {
  const times: Record<StoreName, { exitToResults: number }[]> = { local: [], bucket: [], ipfs: [] };
  // the first of each meets cold caches
  for (let n = 0; n <= jobs; n += 1)
    for (const environment of stores) {
      const measured = await runTrivialJob(stage, (jobId) => awaitTeardown(stage.stack, jobId), environment);
      if (n > 0) times[environment].push(measured);
    }
  const of = (store: StoreName): Summary => pick(times[store], 'exitToResults');
  return { local: of('local'), bucket: of('bucket'), ipfs: of('ipfs') };
};

const measureLoads = async (measuring: Measuring, { bytes, files, fileBytes }: StorageBenchOptions): Promise<Loads<Figures>> => {
  const { gateway } = measuring.stage.stack.processes;
  const gatewayRest = (gateway.pid === undefined ? undefined : await readResidentBytes(gateway.pid)) ?? null;
  const measure = createMeasure(measuring);
  const figures = async (store: MeasuredStore, load: Load) => figuresOf(await measure(store, load), gatewayRest);
  const [small, quarter, large] = [
    { files, bytes: fileBytes },
    { files: 1, bytes: Math.ceil(bytes / 4) },
    { files: 1, bytes },
  ];
  return {
    bucket: {
      small: await figures('bucket', small),
      quarter: await figures('bucket', quarter),
      large: await figures('bucket', large),
    },
    ipfs: { small: await figures('ipfs', small), quarter: await figures('ipfs', quarter) },
  };
};

/** Starts the server of the bucket and an IPFS node, and the whole service with them. */
const onStageWithStores = async <Result>(
  options: StorageBenchOptions,
  folder: string,
  perform: (measuring: Measuring) => Promise<Result>,
): Promise<Result> => {
  const { print = console.log } = options;
  const { path: file } = await ensureVersitygw((line) => print(`  ${line}`));
  const kubo = await ensureKubo((line) => print(`  ${line}`));
  const server = await startS3Server({ file, folder });
  const node = await startIpfsServer({ file: kubo.path, folder: path.join(folder, 'ipfs') }).catch(async (err: unknown) => {
    await server.close();
    throw err;
  });
  try {
    const { endpoint, bucket, region, credentials } = server;
    const store = { name: 'bucket', kind: 's3', pathStyle: true, endpoint, bucket, region, credentials };
    const ipfs = { name: 'ipfs', kind: 'ipfs', readableByCid: true, nodes: [{ url: node.apiUrl }] };
    const places = { bucket: 'bucket', local: 'default', ipfs: 'ipfs' } as const;
    const environments = stores.map((id) => environmentFor(id, places[id], options));
    const env = { C2D_STORES: JSON.stringify([store, ipfs]) };
    const plainClients: PlainClients = {
      bucket: (from) => uploadPlainly(server, from),
      ipfs: (from) => addPlainly(node.apiUrl, from),
    };
    return await onStage({ report: (line) => print(`  ${line}`), environments, env }, (stage) =>
      perform({ stage, plainClients, folder, print }),
    );
  } finally {
    await Promise.all([server.close(), node.close()]);
  }
};

/**
 * Runs jobs with one large file and with many small ones, from the algorithm's exit to the listed results, and trivial jobs
 * with results in a local folder, in the bucket and in IPFS. The last line is one JSON object with all figures.
 */
export const benchStorage = async (options: StorageBenchOptions): Promise<void> => {
  const { print = console.log } = options;
  const folder = await mkdtemp(path.join(tmpdir(), 'durable-c2d-bench-'));
  try {
    const { loads, exitToResults } = await onStageWithStores(options, folder, async (measuring) => ({
      loads: await measureLoads(measuring, options),
      exitToResults: await measureTrivialJobs(measuring.stage, options.jobs),
    }));
    const verdicts = judge(loads);
    print('');
    print(renderFigures([...Object.values(loads.bucket), ...Object.values(loads.ipfs)]));
    print('');
    for (const [store, { p50, max, n }] of Object.entries(exitToResults))
      print(`exit to results, trivial job, ${store}: p50 ${p50} ms, most ${max} ms (${n} jobs)`);
    for (const [name, { goal, met }] of Object.entries(verdicts)) print(`goal ${name} ${goal}: ${met ? 'met' : 'missed'}`);
    print(JSON.stringify({ benchmark: 'storage', ...loads, exitToResults, goals: verdicts }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
