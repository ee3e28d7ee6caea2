/** Jobs that wait in a phase until they are let go, and that tell afterwards how often they ran and whether all is there. */

import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientJob, PublishedAsset } from '../../infra/toolchain/demo/clientTypes.ts';
import { nameAsset } from '../../infra/toolchain/demo/ordering.ts';
import { createCaller, jobIdOf, send, type Caller, type RawAnswer } from './callers.ts';
import type { Handler } from './fileServer.ts';
import { aContainer } from './jobs.ts';
import type { Scene } from './scene.ts';

/** What one job is to do. */
export interface HeldJob {
  readonly environment: string;
  readonly dataset: PublishedAsset;
  /** the algorithm waits for {@link letRun} before it writes its outputs */
  readonly waits?: boolean;
  /** size of each of its blocks */
  readonly blockBytes?: number;
  readonly queueMaxWaitTime?: number;
  /** default: the least that the environment gives */
  readonly resources?: readonly { readonly id: string; readonly amount: number }[];
}

/** A job and whoever may ask for it. */
export interface StartedJob {
  readonly jobId: string;
  readonly caller: Caller;
  readonly blockBytes: number;
}

const blocks = 4;
const goFile = '/tmp/go';
const answerPatienceMs = 30_000;
const startPatienceMs = 90_000;
const endPatienceMs = 120_000;

/** Leaves a new name behind each time it is started, digests its inputs, waits if told to, writes blocks. */
const algorithm = `
const fs = require('node:fs');
const { createHash, randomUUID } = require('node:crypto');
const start = randomUUID();
console.log('start ' + start);
fs.mkdirSync('/data/outputs/starts', { recursive: true });
fs.writeFileSync('/data/outputs/starts/' + start, start);
const [did] = JSON.parse(process.env.DIDS);
const digest = createHash('sha256').update(fs.readFileSync('/data/inputs/' + did + '/0')).digest('hex');
fs.writeFileSync('/data/outputs/input', digest);
const finish = () => {
  for (let n = 0; n < ${blocks}; n += 1)
    fs.writeFileSync('/data/outputs/block' + n, Buffer.alloc(Number(process.env.BLOCK_BYTES), 'block ' + n + ' '));
  console.log('end ' + start);
};
const wait = () => (fs.existsSync('${goFile}') ? finish() : setTimeout(wait, 20));
if (process.env.WAITS === 'yes') wait(); else finish();
`;

/** Rejects instead of waiting for ever: no call of a client may hang. */
export const withPatience = async <Result>(what: string, work: Promise<Result>, patienceMs = answerPatienceMs): Promise<Result> => {
  const late = new AbortController();
  const timeout = delay(patienceMs, undefined, { signal: late.signal }).then(() => {
    throw new Error(`${what}: nothing within ${patienceMs / 1_000} s`);
  });
  timeout.catch(() => undefined);
  return Promise.race([work, timeout]).finally(() => late.abort());
};

/** Repeats `look` until it gives something; what it throws meanwhile counts as nothing. @throws Error with the last reason */
export const eventually = async <Result>(what: string, look: () => Promise<Result | undefined>, patienceMs = 60_000): Promise<Result> => {
  const deadline = performance.now() + patienceMs;
  let reason: unknown = 'not yet';
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (err) {
      reason = err;
    }
    if (performance.now() > deadline) throw new Error(`${what}: not within ${patienceMs / 1_000} s (${String(reason)})`);
    await delay(25);
  }
};

/** Fails unless an answer that is none says so in JSON and asks to come again. */
export const expectAway = ({ status, type, json }: RawAnswer): void => {
  expect({ status, type }).toEqual({ status: 503, type: expect.stringMatching(/^application\/json/) as string });
  const text = typeof json === 'string' ? json : (json as { error: string }).error;
  expect(text).toMatch(/try again|repeat/i);
};

/** A start request; the same text may be sent any number of times and is the same job. */
export const signStart = (
  { stack }: Pick<Scene, 'stack'>,
  caller: Caller,
  { environment, dataset, waits = false, blockBytes = 1_000, queueMaxWaitTime = 0, resources }: HeldJob,
): string =>
  JSON.stringify({
    ...caller.credentials('freeStartCompute'),
    environment,
    datasets: [nameAsset(dataset)],
    algorithm: {
      envs: { WAITS: waits ? 'yes' : 'no', BLOCK_BYTES: String(blockBytes) },
      meta: { rawcode: algorithm, container: aContainer(stack.nodeImage) },
    },
    queueMaxWaitTime,
    ...(resources !== undefined && { resources }),
  });

/** Sends the same request until it is accepted, as a client that lost its answer does. What comes before is told as being away. */
export const startHeldJob = async (scene: Scene, job: HeldJob): Promise<StartedJob> => {
  const caller = createCaller();
  const body = signStart(scene, caller, job);
  const accepted = await eventually(
    'the start is accepted',
    async () => {
      const answer = await withPatience('a start', send(scene.stack.apiUrl, 'POST', '/api/services/freeCompute', { body }));
      if (answer.status === 503) expectAway(answer);
      if (answer.status === 200) return answer;
      throw new Error(`${answer.status} ${answer.text}`);
    },
    startPatienceMs,
  );
  const jobId = jobIdOf(accepted);
  scene.jobs.add(jobId);
  return { jobId, caller, blockBytes: job.blockBytes ?? 1_000 };
};

/** The job as the API shows it now. */
export const readJob = async ({ stack }: Pick<Scene, 'stack'>, { jobId }: Pick<StartedJob, 'jobId'>): Promise<ClientJob> => {
  const { status, json, text } = await withPatience('a status', send(stack.apiUrl, 'GET', '/api/services/compute', { query: { jobId } }));
  const [job] = status === 200 ? (json as ClientJob[]) : [];
  if (job === undefined) throw new Error(`${status} ${text}`);
  return job;
};

/** Resolves once the job shows one of these numbers, or one beyond. */
export const awaitStatus = (scene: Pick<Scene, 'stack'>, job: Pick<StartedJob, 'jobId'>, number: number): Promise<ClientJob> =>
  eventually(`job ${job.jobId} reaches ${number}`, async () => {
    const now = await readJob(scene, job);
    if (now.dateFinished !== null) throw new Error(`it has ended with ${now.status} ${now.statusText}`);
    return now.status >= number ? now : undefined;
  });

/** Resolves with the ended job. */
export const awaitEndOf = (scene: Pick<Scene, 'stack'>, job: Pick<StartedJob, 'jobId'>): Promise<ClientJob> =>
  eventually(
    `job ${job.jobId} ends`,
    async () => {
      const now = await readJob(scene, job);
      if (now.dateFinished === null) throw new Error(`${now.status} ${now.statusText}`);
      return now;
    },
    endPatienceMs,
  );

/** Resolves once a job's algorithm has written what it writes before it waits. */
export const awaitWaiting = ({ pods }: Pick<Scene, 'pods'>, { jobId }: Pick<StartedJob, 'jobId'>, podAttempt = 1): Promise<true> =>
  eventually(`the algorithm of job ${jobId} waits`, async () => {
    const look = ['/.c2d/busybox', 'test', '-s', '/data/outputs/input'];
    return (await pods.exec({ jobId, podAttempt }, look)) === 0 || undefined;
  });

/** Lets a waiting algorithm go on. */
export const letRun = async ({ pods }: Pick<Scene, 'pods'>, { jobId }: Pick<StartedJob, 'jobId'>, podAttempt = 1): Promise<void> => {
  await eventually(`job ${jobId} is let go`, async () => {
    return (await pods.exec({ jobId, podAttempt }, ['/.c2d/busybox', 'touch', goFile])) === 0 || undefined;
  });
};

const download = async ({ stack }: Pick<Scene, 'stack'>, { jobId, caller }: StartedJob, index: number): Promise<Buffer> => {
  const url = new URL('/api/services/computeResult', stack.apiUrl);
  const query = { jobId, index: String(index), ...caller.credentials('getComputeResult') };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const answer = await fetch(url);
  if (answer.status !== 200) throw new Error(`result ${index} of ${jobId}: ${answer.status} ${await answer.text()}`);
  return Buffer.from(await answer.arrayBuffer());
};

const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Fails unless the job succeeded, its algorithm was started once, and every byte of its results and its log is there. */
export const expectWhole = async (scene: Pick<Scene, 'stack'>, started: StartedJob, input: string): Promise<void> => {
  const job = await awaitEndOf(scene, started);
  expect(job).toMatchObject({ status: 70, statusText: 'Job finished', terminationDetails: { exitCode: 0, OOMKilled: false } });
  const contents = new Map<string, Buffer>();
  for (const { index, filename } of job.results) contents.set(filename, await download(scene, started, index));
  const starts = [...contents.keys()].filter((name) => name.startsWith('starts%2F')).map((name) => name.slice('starts%2F'.length));
  expect(starts).toHaveLength(1);
  expect(contents.get('algorithm.log')?.toString()).toBe(`start ${starts[0]}\nend ${starts[0]}\n`);
  expect(contents.get('input')?.toString()).toBe(sha256(input));
  for (let n = 0; n < blocks; n += 1) {
    const bytes = contents.get(`block${n}`) ?? Buffer.alloc(0);
    expect([n, sha256(bytes)]).toEqual([n, sha256(Buffer.alloc(started.blockBytes, `block ${n} `))]);
  }
  expect(contents.size).toBe(blocks + 3);
};

/** A file whose bytes are held back until they are let go. */
export interface HeldFile {
  readonly handler: Handler;
  /** resolves when somebody waits for the bytes */
  readonly asked: () => Promise<void>;
  /** sends the bytes to who waits, and to whoever asks from now on */
  readonly letGo: () => void;
  /** holds whoever asks from now on */
  readonly hold: () => void;
}

/** The first half is sent at once, the rest when it is let go. Ranges are served. */
export const holdFile = (content: string): HeldFile => {
  let gate = Promise.withResolvers<void>();
  let asked = Promise.withResolvers<void>();
  const bytes = Buffer.from(content);
  return {
    handler(req, res) {
      const start = Number(/^bytes=(\d+)-/.exec(req.headers.range ?? '')?.[1] ?? 0);
      const part = bytes.subarray(start);
      const range = start > 0 && { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
      res.writeHead(start > 0 ? 206 : 200, { 'content-length': part.length, 'accept-ranges': 'bytes', ...range });
      if (req.method === 'HEAD') return void res.end();
      const half = Math.floor(part.length / 2);
      res.write(part.subarray(0, half));
      asked.resolve();
      void gate.promise.then(() => res.end(part.subarray(half)));
    },
    asked: () => asked.promise,
    letGo: () => gate.resolve(),
    hold() {
      gate = Promise.withResolvers();
      asked = Promise.withResolvers();
    },
  };
};
