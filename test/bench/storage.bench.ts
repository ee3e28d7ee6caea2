/** `npm run bench:storage`: outputs of a job into a bucket, beside a plain S3 client that uploads the same files. */

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ensureKubo, startIpfsServer } from '../../infra/toolchain/kubo.ts';
import { runProgram } from '../../infra/toolchain/run.ts';
import type { EnvironmentSettings } from '../../infra/toolchain/serviceEnvironment.ts';
import { ensureVersitygw, startS3Server, type S3Server } from '../../infra/toolchain/versitygw.ts';
import { renderTable, round, type Summary } from './figures.ts';
import { readTimes } from './floor.ts';
import { findAgentProcess, watchMemory } from './memory.ts';
import { uploadPlainly } from './plainS3.ts';
import { awaitTeardown, clockMs, onStage, readJob, type Stage } from './stage.ts';
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

const mebibyte = 1024 ** 2;
const pollMs = 20;
const patienceMs = 1_800_000;
const goals = { ratio: 0.9, filesPerSecond: 300, agentMib: 100 } as const;

/** What one job publishes. */
interface Load {
  readonly files: number;
  readonly bytes: number;
}

/** One load, measured; times in milliseconds, memory in bytes. */
interface Measured extends Load {
  readonly publish: number;
  readonly plain: number;
  readonly gatewayMemory: number | null;
  readonly agentMemory: number | null;
}

/** Writes the same bytes wherever it runs, and none of them can be made smaller. */
const codeFor = ({ files, bytes }: Load): string => `
const first = Date.now();
process.on('exit', () => console.log(first + ' ' + Date.now()));
const fs = require('node:fs');
const cipher = require('node:crypto').createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
const zeros = Buffer.alloc(Math.min(${bytes}, ${4 * mebibyte}));
for (let n = 0; n < ${files}; n += 1) {
  const fd = fs.openSync(process.env.OUTPUTS + '/' + n, 'w');
  for (let left = ${bytes}; left > 0;) {
    const block = cipher.update(zeros.subarray(0, Math.min(left, zeros.length)));
    left -= fs.writeSync(fd, block);
  }
  fs.closeSync(fd);
}`;

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

/** Looks until the results are listed. @throws Error when the job ends with other files than were written */
const awaitResults = async (stack: Stage['stack'], jobId: string, { files }: Load): Promise<{ listedAtMs: number; logIndex: number }> => {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const { results, dateFinished, statusText } = await readJob(stack, jobId);
    if (results.length > 0) {
      const listedAtMs = clockMs();
      if (results.length !== files + 1) throw new Error(`the job published ${results.length - 1} files instead of ${files}`);
      return { listedAtMs, logIndex: results.find(({ type }) => type === 'algorithmLog')?.index ?? 0 };
    }
    if (dateFinished !== null) throw new Error(`the job ended without results: ${statusText}`);
    if (performance.now() > deadline) throw new Error(`the job is still "${statusText}" after ${patienceMs / 1_000} s`);
    await delay(pollMs);
  }
};

/** One job whose outputs are the load. */
const publishByJob = async ({ stack, client, image }: Stage, load: Load) => {
  const at = image.lastIndexOf(':');
  const container = { entrypoint: 'node $ALGO', image: image.slice(0, at), tag: image.slice(at + 1), checksum: '' };
  const disk = Math.ceil((load.files * load.bytes) / 1024 ** 3) + 1;
  const resources = Object.entries({ cpu: 1, ram: 1, disk }).map(([id, amount]) => ({ id, amount }));
  const { jobId } = await client.start({ algorithm: { meta: { rawcode: codeFor(load), container } }, resources, environment: 'bucket' });
  const gateway = watchMemory(async () => stack.processes.gateway.pid);
  const agent = watchMemory(() => findAgentProcess(stack, jobId));
  const { listedAtMs, logIndex } = await awaitResults(stack, jobId, load);
  const [gatewayMemory, agentMemory] = [await gateway.stop(), await agent.stop()];
  const { exitAtMs } = readTimes((await client.result(jobId, logIndex)).toString());
  await awaitTeardown(stack, jobId);
  return { publish: listedAtMs - exitAtMs, gatewayMemory, agentMemory };
};

/** The plain client goes before and after the job: what else the machine does at a time slows down both. */
const measure = async (stage: Stage, server: S3Server, { folder, ...load }: Load & { readonly folder: string }): Promise<Measured> => {
  await mkdir(folder);
  try {
    await runProgram(process.execPath, ['-e', codeFor(load)], { env: { OUTPUTS: folder }, timeoutMs: patienceMs });
    const before = await uploadPlainly(server, folder);
    const job = await publishByJob(stage, load);
    const after = await uploadPlainly(server, folder);
    return { ...load, ...job, plain: (before + after) / 2 };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/** Environments by their kind of store. */
const stores = ['local', 'bucket', 'ipfs'] as const;
type StoreName = (typeof stores)[number];

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

const perSecond = (amount: number, milliseconds: number): number => round(amount / (milliseconds / 1_000));
const inMebibytes = (bytes: number | null): number | null => (bytes === null ? null : round(bytes / mebibyte));

const figuresOf = ({ files, bytes, publish, plain, gatewayMemory, agentMemory }: Measured) => ({
  ...{ files, bytes },
  filesPerSecond: perSecond(files, publish),
  plainFilesPerSecond: perSecond(files, plain),
  mibPerSecond: perSecond((files * bytes) / mebibyte, publish),
  plainMibPerSecond: perSecond((files * bytes) / mebibyte, plain),
  ratio: round(plain / publish, 2),
  gatewayMib: inMebibytes(gatewayMemory),
  agentMib: inMebibytes(agentMemory),
});

type Figures = ReturnType<typeof figuresOf>;

const renderFigures = (loads: readonly Figures[]): string =>
  renderTable(
    ['', ...loads.map(({ files, bytes }) => `${files} × ${round(bytes / 1024)} KiB`)],
    [
      ['job to bucket, MiB/s', ...loads.map(({ mibPerSecond }) => mibPerSecond)],
      ['plain client, MiB/s', ...loads.map(({ plainMibPerSecond }) => plainMibPerSecond)],
      ['job to bucket, files/s', ...loads.map(({ filesPerSecond }) => filesPerSecond)],
      ['plain client, files/s', ...loads.map(({ plainFilesPerSecond }) => plainFilesPerSecond)],
      ['ratio', ...loads.map(({ ratio }) => ratio)],
      ['gateway, MiB resident', ...loads.map(({ gatewayMib }) => gatewayMib ?? 'unknown')],
      ['agent, MiB resident', ...loads.map(({ agentMib }) => agentMib ?? 'unknown')],
    ],
  );

const judge = (large: Figures, small: Figures) => ({
  ratio: { goal: goals.ratio, met: large.ratio >= goals.ratio },
  filesPerSecond: { goal: goals.filesPerSecond, met: small.filesPerSecond >= goals.filesPerSecond },
  // unknown where the engine is not on this machine
  agentMib: { goal: goals.agentMib, met: [large, small].every(({ agentMib }) => agentMib === null || agentMib <= goals.agentMib) },
});

/** Starts the server of the bucket and an IPFS node, and the whole service with them. */
const onStageWithStores = async <Result>(
  options: StorageBenchOptions,
  folder: string,
  perform: (stage: Stage, server: S3Server) => Promise<Result>,
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
    return await onStage({ report: (line) => print(`  ${line}`), environments, env }, (stage) => perform(stage, server));
  } finally {
    await Promise.all([server.close(), node.close()]);
  }
};

/**
 * Runs a job with one large file and one with many small ones, from the algorithm's exit to the listed results, and
 * trivial jobs with results in a local folder, in the bucket and in IPFS. The last line is one JSON object with all figures.
 */
export const benchStorage = async (options: StorageBenchOptions): Promise<void> => {
  const { bytes, files, fileBytes, jobs, print = console.log } = options;
  const folder = await mkdtemp(path.join(tmpdir(), 'durable-c2d-bench-'));
  try {
    const { small, large, exitToResults } = await onStageWithStores(options, folder, async (stage, server) => ({
      exitToResults: await measureTrivialJobs(stage, jobs),
      small: figuresOf(await measure(stage, server, { files, bytes: fileBytes, folder: path.join(folder, 'small') })),
      large: figuresOf(await measure(stage, server, { files: 1, bytes, folder: path.join(folder, 'large') })),
    }));
    const verdicts = judge(large, small);
    print('');
    print(renderFigures([large, small]));
    print('');
    for (const [store, { p50, max, n }] of Object.entries(exitToResults))
      print(`exit to results, trivial job, ${store}: p50 ${p50} ms, most ${max} ms (${n} jobs)`);
    for (const [name, { goal, met }] of Object.entries(verdicts)) print(`goal ${name} ${goal}: ${met ? 'met' : 'missed'}`);
    print(JSON.stringify({ benchmark: 'storage', large, small, exitToResults, goals: verdicts }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
