import { ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { createS3Client } from '../../infra/storage/s3Client.ts';
import type { S3Server } from '../../infra/toolchain/versitygw.ts';
import { awaitEndOf, awaitJob, createCaller, jobIdOf, send } from '../support/callers.ts';
import { sharedEnvironments } from '../support/environments.ts';
import { eventually } from '../support/heldJobs.ts';
import { aContainer } from '../support/jobs.ts';
import { useOwnStack } from '../support/ownStack.ts';
import { openS3Server, s3SettingsOf } from '../support/s3.ts';
import { openFaultyWay, type FaultyWay } from '../support/s3Faults.ts';
import { readPodAttempts, withTemporal } from '../support/traces.ts';

const patienceMs = 150_000;
const mebibyte = 1024 ** 2;
const prefix = 'some/jobs/';
/** as small as S3 takes them */
const partBytes = 5 * mebibyte;
const largeBytes = 12 * mebibyte;

let server: S3Server;
let way: FaultyWay;

const own = useOwnStack(async () => {
  server = await openS3Server();
  way = await openFaultyWay(server.endpoint);
  const tiny = sharedEnvironments.find(({ id }) => id === 'tiny');
  const store = s3SettingsOf(server, { endpoint: way.endpoint, prefix });
  return {
    environments: [{ ...tiny, id: 'bucket', storage: store.name, limits: { transferPatienceSeconds: 1, graceSeconds: 2 } }],
    env: { C2D_STORES: JSON.stringify([store]), C2D_UPLOAD_PART_BYTES: String(partBytes), C2D_AGENT_HEARTBEAT_SECONDS: '1' },
  };
});

afterAll(async () => {
  await way?.close();
  await server?.close();
});

/** Writes a large file of which no two parts are the same, a small one, one in a folder and an empty one. */
const code = `
const fs = require('node:fs');
const large = Buffer.alloc(${largeBytes});
for (let at = 0; at < large.length; at += 4) large.writeUInt32LE(at, at);
fs.mkdirSync('/data/outputs/below');
fs.writeFileSync('/data/outputs/large', large);
fs.writeFileSync('/data/outputs/small', 'a small file');
fs.writeFileSync('/data/outputs/below/nested', 'a nested file');
fs.writeFileSync('/data/outputs/empty', '');
console.log('written');`;

const largeFile = (): Buffer => {
  const large = Buffer.alloc(largeBytes);
  for (let at = 0; at < large.length; at += 4) large.writeUInt32LE(at, at);
  return large;
};

const contents = (): Readonly<Record<string, Buffer>> => ({
  'below%2Fnested': Buffer.from('a nested file'),
  empty: Buffer.alloc(0),
  large: largeFile(),
  small: Buffer.from('a small file'),
  'algorithm.log': Buffer.from('written\n'),
});

/** A job, and its owner's way to it. */
interface OwnJob {
  readonly jobId: string;
  ask(path: string, init?: RequestInit): Promise<Response>;
}

const startJob = async (): Promise<OwnJob> => {
  const { stack, jobs } = own().scene;
  const caller = createCaller();
  const algorithm = { meta: { rawcode: code, container: aContainer(stack.nodeImage) } };
  const body = { environment: 'bucket', datasets: [], algorithm, queueMaxWaitTime: 60, ...caller.credentials('freeStartCompute') };
  const jobId = jobIdOf(await send(stack.apiUrl, 'POST', '/api/services/freeCompute', { body }));
  jobs.add(jobId);
  const { consumerAddress: address, ...signed } = caller.credentials('createAuthToken');
  const { token } = (await send(stack.apiUrl, 'POST', '/api/services/auth/token', { body: { address, ...signed } })).json as {
    token: string;
  };
  const ask: OwnJob['ask'] = (path, init = {}) =>
    fetch(`${stack.apiUrl}/api/v1/jobs/${jobId}${path}`, {
      ...{ redirect: 'manual', ...init },
      headers: { authorization: `Bearer ${token}`, ...(init.headers as Record<string, string> | undefined) },
    });
  return { jobId, ask };
};

interface ListedResult {
  readonly index: number;
  readonly name: string;
}

const listResults = async ({ ask }: OwnJob): Promise<readonly ListedResult[]> =>
  ((await (await ask('/results')).json()) as { results: readonly ListedResult[] }).results;

/** Fails unless the job succeeded in its first pod, and every byte of its results is there. */
const expectWhole = async (job: OwnJob): Promise<void> => {
  const { scene } = own();
  expect(await awaitEndOf(scene.stack.apiUrl, job.jobId)).toMatchObject({ status: 70, terminationDetails: { exitCode: 0 } });
  const results = await listResults(job);
  expect(results.map(({ name }) => name)).toEqual(Object.keys(contents()));
  for (const { index, name } of results) {
    const answer = await job.ask(`/results/${index}`);
    expect([name, answer.status]).toEqual([name, 200]);
    expect(Buffer.compare(Buffer.from(await answer.arrayBuffer()), contents()[name]!)).toBe(0);
  }
  expect(await readPodAttempts(scene, [job.jobId])).toEqual([1]);
};

/** What the bucket has of a job, as its owner sees it: objects and uploads that were not ended. */
const findInBucket = async (jobId: string): Promise<{ readonly keys: readonly string[]; readonly uploads: number }> => {
  const client = createS3Client(s3SettingsOf(server));
  const place = { Bucket: server.bucket, Prefix: `${prefix}${jobId}` };
  const { Contents = [] } = await client.send(new ListObjectsV2Command(place));
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand(place));
  return { keys: Contents.map(({ Key = '' }) => Key), uploads: Uploads.length };
};

describe('results of an environment that keeps them in a bucket', () => {
  test(
    'arrive whole, are read in part, by nobody but through the service, and go when their owner says so',
    async () => {
      const { stack } = own().scene;
      const job = await startJob();
      await expectWhole(job);

      const { index } = (await listResults(job)).find(({ name }) => name === 'large')!;
      const [start, end] = [partBytes - 5, partBytes + 4];
      const part = await job.ask(`/results/${index}`, { headers: { range: `bytes=${start}-${end}` } });
      expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes ${start}-${end}/${largeBytes}`]);
      expect(Buffer.from(await part.arrayBuffer())).toEqual(largeFile().subarray(start, end + 1));

      const { keys } = await findInBucket(job.jobId);
      expect(keys).toEqual([0, 1, 2, 3, 4].map((n) => `${prefix}${job.jobId}/1/${n}`));
      for (const key of keys) expect((await fetch(`${server.endpoint}/${server.bucket}/${key}`)).status).toBe(403);

      expect((await job.ask('/retention', { method: 'DELETE' })).status).toBe(200);
      expect((await job.ask(`/results/${index}`)).status).toBe(410);
      await withTemporal(stack.temporalAddress, (client) => client.schedule.getHandle('c2d-retention').trigger());
      await eventually('the objects are gone', async () => (await findInBucket(job.jobId)).keys.length === 0 || undefined);
    },
    patienceMs,
  );

  test(
    'wait in their pod while the bucket is away, with the reason to be read, and are complete afterwards',
    async () => {
      const { stack } = own().scene;
      server.kill('SIGKILL');
      await server.waitForEnd();
      const job = await startJob();
      const waiting = await awaitJob(
        stack.apiUrl,
        job.jobId,
        ({ status, statusReason }) => status === 60 && /store/.test(statusReason ?? ''),
      );
      expect(waiting).toMatchObject({ dateFinished: null, results: [] });
      expect(waiting.statusReason).toMatch(/^the result store cannot be reached at the moment/);
      expect(waiting.statusReason).not.toContain('127.0.0.1');
      expect(await (await job.ask('')).text()).toContain('the result store cannot be reached at the moment');
      await server.restart();
      await expectWhole(job);
    },
    patienceMs,
  );
});
