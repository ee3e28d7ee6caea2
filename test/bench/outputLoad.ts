/** Jobs whose outputs are a given number of bytes, and the same bytes in a folder of this machine. */

import { mkdir, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { runProgram } from '../../infra/toolchain/run.ts';
import { readTimes } from './floor.ts';
import { findAgentProcess, watchMemory } from './memory.ts';
import { awaitTeardown, clockMs, readJob, type Stage } from './stage.ts';

/** What one job publishes. */
export interface Load {
  readonly files: number;
  readonly bytes: number;
}

/** One job with it; milliseconds from the algorithm's exit to the listed results, memory in bytes at its highest. */
interface PublishedLoad {
  readonly publish: number;
  readonly gatewayMemory: number | null;
  readonly agentMemory: number | null;
}

const mebibyte = 1024 ** 2;
/** each look costs the machine what is measured */
const pollMs = 50;
const patienceMs = 1_800_000;

/** Writes the same bytes wherever it runs with the same seed, and none of them can be made smaller. */
const codeFor = ({ files, bytes }: Load, seed: number): string => `
const first = Date.now();
process.on('exit', () => console.log(first + ' ' + Date.now()));
const fs = require('node:fs');
const cipher = require('node:crypto').createCipheriv('aes-128-ctr', Buffer.alloc(16, ${seed}), Buffer.alloc(16));
const zeros = Buffer.alloc(Math.min(${bytes}, ${4 * mebibyte}));
for (let n = 0; n < ${files}; n += 1) {
  const fd = fs.openSync(process.env.OUTPUTS + '/' + n, 'w');
  for (let left = ${bytes}; left > 0;) {
    const block = cipher.update(zeros.subarray(0, Math.min(left, zeros.length)));
    left -= fs.writeSync(fd, block);
  }
  fs.closeSync(fd);
}`;

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

/** One job whose outputs are the load, in an environment. */
export const publishByJob = async (
  { stack, client, image }: Stage,
  load: Load,
  { environment, seed }: { readonly environment: string; readonly seed: number },
): Promise<PublishedLoad> => {
  const at = image.lastIndexOf(':');
  const container = { entrypoint: 'node $ALGO', image: image.slice(0, at), tag: image.slice(at + 1), checksum: '' };
  const disk = Math.ceil((load.files * load.bytes) / 1024 ** 3) + 1;
  const resources = Object.entries({ cpu: 1, ram: 1, disk }).map(([id, amount]) => ({ id, amount }));
  const { jobId } = await client.start({ algorithm: { meta: { rawcode: codeFor(load, seed), container } }, resources, environment });
  const gateway = watchMemory(async () => stack.processes.gateway.pid);
  const agent = watchMemory(() => findAgentProcess(stack, jobId));
  const { listedAtMs, logIndex } = await awaitResults(stack, jobId, load);
  const [gatewayMemory, agentMemory] = [await gateway.stop(), await agent.stop()];
  const { exitAtMs } = readTimes((await client.result(jobId, logIndex)).toString());
  await awaitTeardown(stack, jobId);
  return { publish: listedAtMs - exitAtMs, gatewayMemory, agentMemory };
};

/** Lets `work` do something with a folder that has the load, and removes the folder. */
export const withFolderOf = async <Result>(
  load: Load,
  { folder, seed }: { readonly folder: string; readonly seed: number },
  work: (folder: string) => Promise<Result>,
): Promise<Result> => {
  await mkdir(folder);
  try {
    await runProgram(process.execPath, ['-e', codeFor(load, seed)], { env: { OUTPUTS: folder }, timeoutMs: patienceMs });
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
