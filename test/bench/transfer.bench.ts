/** `npm run bench:transfer`: one large file into a pod and out of it again, beside curl on the same link. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { EnvironmentSettings } from '../../infra/toolchain/serviceEnvironment.ts';
import { runProgram } from '../../infra/toolchain/run.ts';
import { renderTable, round } from './figures.ts';
import { readTimes } from './floor.ts';
import { startLinkServer, type LinkServer } from './linkServer.ts';
import { findAgentProcess, watchMemory } from './memory.ts';
import { awaitTeardown, clockMs, onStage, readJob, type Stage } from './stage.ts';

/** How it is run. */
export interface TransferBenchOptions {
  readonly bytes: number;
  /** memory with a file of this size is compared with that of `bytes` */
  readonly smallBytes: number;
  /** speed of the link; 0: as fast as it goes */
  readonly megabits: number;
  readonly print?: (line: string) => void;
}

const mebibyte = 1024 ** 2;
const pollMs = 20;
const patienceMs = 1_800_000;
/** `growthMib`: memory that is flat, but for what garbage collection leaves to chance. */
const goals = { ratio: 0.9, agentMib: 100, growthMib: 32 } as const;

const copyAlgorithm = `
const first = Date.now();
process.on('exit', () => console.log(first + ' ' + Date.now()));
const fs = require('node:fs');
fs.copyFileSync('/data/inputs/' + JSON.parse(process.env.DIDS)[0] + '/0', '/data/outputs/copy');`;

/** One size, measured; times in milliseconds, memory in bytes. */
interface Measured {
  readonly bytes: number;
  readonly curlDownload: number;
  readonly stage: number;
  readonly curlUpload: number;
  readonly publish: number;
  readonly gatewayMemory: number | null;
  readonly agentMemory: number | null;
}

const environmentFor = (bytes: number): EnvironmentSettings => {
  const gibibytes = Math.ceil((bytes * 2) / 1024 ** 3) + 1;
  return {
    id: 'local',
    free: {},
    allowFileObjects: true,
    resources: {
      cpu: { min: 1, max: 1, total: 2 },
      ram: { min: 0.5, max: 1, total: 4 },
      disk: { min: 1, max: gibibytes, total: gibibytes },
    },
    limits: { inputBytes: bytes * 2, outputBytes: bytes * 2 },
  };
};

/** Blocks that no compression and no sparse file makes smaller. */
const writeFileOf = async (file: string, bytes: number): Promise<void> => {
  const block = randomBytes(4 * mebibyte);
  const handle = await open(file, 'w');
  try {
    for (let written = 0; written < bytes; written += block.length) {
      block.writeDoubleLE(written);
      await handle.write(block, 0, Math.min(block.length, bytes - written));
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
};

const timeProgram = async (file: string, args: readonly string[]): Promise<number> => {
  const startedAt = performance.now();
  await runProgram(file, args, { timeoutMs: patienceMs });
  return performance.now() - startedAt;
};

interface JobTransfer {
  readonly stage: number;
  readonly publish: number;
  readonly agentMemory: number | null;
}

const runCopyJob = async ({ stack, client, image }: Stage, server: LinkServer, bytes: number): Promise<JobTransfer> => {
  const at = image.lastIndexOf(':');
  const container = { entrypoint: 'node $ALGO', image: image.slice(0, at), tag: image.slice(at + 1), checksum: '' };
  const { jobId } = await client.start({
    algorithm: { meta: { rawcode: copyAlgorithm, container } },
    datasets: [{ fileObject: { type: 'url', url: server.url, method: 'GET' } }],
    resources: [
      { id: 'cpu', amount: 1 },
      { id: 'ram', amount: 1 },
      { id: 'disk', amount: Math.ceil((bytes * 2) / 1024 ** 3) },
    ],
  });
  const watch = watchMemory(() => findAgentProcess(stack, jobId));
  const { listedAtMs, logIndex } = await awaitCopy(stack, jobId, bytes);
  const agentMemory = await watch.stop();
  const { firstAtMs, exitAtMs } = readTimes((await client.result(jobId, logIndex)).toString());
  await awaitTeardown(stack, jobId);
  return { stage: firstAtMs - server.askedAtMs(), publish: listedAtMs - exitAtMs, agentMemory };
};

/** Looks until the results are listed. @throws Error when the job ends without a copy of `bytes` bytes */
const awaitCopy = async (stack: Stage['stack'], jobId: string, bytes: number): Promise<{ listedAtMs: number; logIndex: number }> => {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const job = await readJob(stack, jobId);
    if (job.results.length > 0) {
      const listedAtMs = clockMs();
      const copy = job.results.find(({ type }) => type === 'output');
      if (copy?.filesize !== bytes) throw new Error(`the job did not publish ${bytes} bytes: ${job.statusText}`);
      return { listedAtMs, logIndex: job.results.find(({ type }) => type === 'algorithmLog')?.index ?? 1 };
    }
    if (job.dateFinished !== null) throw new Error(`the job ended without results: ${job.statusText}`);
    if (performance.now() > deadline) throw new Error(`the job is still "${job.statusText}" after ${patienceMs / 1_000} s`);
    await delay(pollMs);
  }
};

/** Curl goes before and after the job: what else the machine does at a time slows down both. */
const measureSize = async (stage: Stage, folder: string, bytes: number, megabits: number): Promise<Measured> => {
  const file = path.join(folder, 'source');
  const [downloaded, uploaded] = [path.join(folder, 'downloaded'), path.join(folder, 'uploaded')];
  await writeFileOf(file, bytes);
  const server = await startLinkServer({ file, uploadTo: uploaded, megabits });
  try {
    const download = (): Promise<number> => timeProgram('curl', ['-fsS', '-o', downloaded, server.url]);
    // without the header curl waits a second for a word that servers need not give
    const upload = (): Promise<number> => timeProgram('curl', ['-fsS', '-H', 'Expect:', '-T', file, server.url]);
    const before = { download: await download(), upload: await upload() };
    const watch = watchMemory(async () => stage.stack.processes.gateway.pid);
    const job = await runCopyJob(stage, server, bytes);
    const gatewayMemory = await watch.stop();
    const after = { download: await download(), upload: await upload() };
    const curlDownload = (before.download + after.download) / 2;
    return { bytes, curlDownload, curlUpload: (before.upload + after.upload) / 2, gatewayMemory, ...job };
  } finally {
    await server.close();
    for (const each of [file, downloaded, uploaded]) await rm(each, { force: true });
  }
};

const perSecond = (bytes: number, milliseconds: number): number => round(bytes / mebibyte / (milliseconds / 1_000));
const inMebibytes = (bytes: number | null): number | null => (bytes === null ? null : round(bytes / mebibyte));

const figuresOf = (size: Measured) => ({
  bytes: size.bytes,
  stageMibPerSecond: perSecond(size.bytes, size.stage),
  curlDownloadMibPerSecond: perSecond(size.bytes, size.curlDownload),
  stageRatio: round(size.curlDownload / size.stage, 2),
  publishMibPerSecond: perSecond(size.bytes, size.publish),
  curlUploadMibPerSecond: perSecond(size.bytes, size.curlUpload),
  publishRatio: round(size.curlUpload / size.publish, 2),
  gatewayMib: inMebibytes(size.gatewayMemory),
  agentMib: inMebibytes(size.agentMemory),
});

type Figures = ReturnType<typeof figuresOf>;

const renderFigures = (sizes: readonly Figures[]): string =>
  renderTable(
    ['', ...sizes.map(({ bytes }) => `${round(bytes / mebibyte)} MiB`)],
    [
      ['staging, MiB/s', ...sizes.map((size) => size.stageMibPerSecond)],
      ['curl, MiB/s', ...sizes.map((size) => size.curlDownloadMibPerSecond)],
      ['ratio', ...sizes.map((size) => size.stageRatio)],
      ['publishing, MiB/s', ...sizes.map((size) => size.publishMibPerSecond)],
      ['curl -T, MiB/s', ...sizes.map((size) => size.curlUploadMibPerSecond)],
      ['ratio', ...sizes.map((size) => size.publishRatio)],
      ['gateway, MiB resident', ...sizes.map((size) => size.gatewayMib ?? 'unknown')],
      ['agent, MiB resident', ...sizes.map((size) => size.agentMib ?? 'unknown')],
    ],
  );

const growth = (small: number | null, large: number | null): number | null =>
  small === null || large === null ? null : round(large - small);

/** Null where it could not be measured. */
const isAtMost = (value: number | null, most: number): boolean | null => (value === null ? null : value <= most);

const judge = (small: Figures, large: Figures) => ({
  stageRatio: { goal: goals.ratio, met: large.stageRatio >= goals.ratio },
  publishRatio: { goal: goals.ratio, met: large.publishRatio >= goals.ratio },
  agentMib: { goal: goals.agentMib, met: isAtMost(large.agentMib, goals.agentMib) },
  agentGrowthMib: { goal: goals.growthMib, met: isAtMost(growth(small.agentMib, large.agentMib), goals.growthMib) },
  gatewayGrowthMib: { goal: goals.growthMib, met: isAtMost(growth(small.gatewayMib, large.gatewayMib), goals.growthMib) },
});

/**
 * Starts the whole service and runs two jobs that copy their input to their output, one small, one large. Staging is
 * timed from the data source's first byte asked for to the algorithm's first instruction, publishing from its exit to
 * the listed results. The last line is one JSON object with all figures.
 */
export const benchTransfer = async ({ bytes, smallBytes, megabits, print = console.log }: TransferBenchOptions): Promise<void> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'durable-c2d-bench-'));
  try {
    const [small, large] = await onStage(
      { report: (line) => print(`  ${line}`), environments: [environmentFor(Math.max(bytes, smallBytes))] },
      async (stage) => {
        const first = figuresOf(await measureSize(stage, folder, smallBytes, megabits));
        return [first, figuresOf(await measureSize(stage, folder, bytes, megabits))] as const;
      },
    );
    const verdicts = judge(small, large);
    print('');
    print(renderFigures([small, large]));
    print('');
    for (const [name, { goal, met }] of Object.entries(verdicts))
      print(`goal ${name} ${goal}: ${met === null ? 'unknown' : met ? 'met' : 'missed'}`);
    print(JSON.stringify({ benchmark: 'transfer', megabits, small, large, goals: verdicts }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
