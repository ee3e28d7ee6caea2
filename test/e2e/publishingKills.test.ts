/** Results on their way into a bucket and into IPFS: kills, stops, and who can read them there. */

import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ListMultipartUploadsCommand, ListObjectsV2Command, ListPartsCommand } from '@aws-sdk/client-s3';
import { Wallet } from 'ethers';
import { createFileDecrypter } from '../../api/cli/decrypt.ts';
import type { JobDetails } from '../../api/v1/schemas.ts';
import type { ClientJob } from '../../infra/toolchain/demo/clientTypes.ts';
import { createS3Client } from '../../infra/storage/s3Client.ts';
import type { Restartable } from '../../infra/toolchain/restartable.ts';
import type { S3Server } from '../../infra/toolchain/versitygw.ts';
import { createWorkflowLook } from '../../workers/gateway/workflowLook.ts';
import { askAsOwner, readDetails, readManifest } from '../support/asOwner.ts';
import { sharedEnvironments } from '../support/environments.ts';
import { eventually, withPatience } from '../support/heldJobs.ts';
import { openIpfsNode, type IpfsTestNode } from '../support/ipfs.ts';
import { aContainer, awaitEnd, startRawJob } from '../support/jobs.ts';
import { bucketOf } from '../support/outputs.ts';
import { useOwnStack } from '../support/ownStack.ts';
import { openS3Server, s3SettingsOf } from '../support/s3.ts';
import { openFaultyWay, type FaultyWay } from '../support/s3Faults.ts';
import { readPodAttempts, withTemporal } from '../support/traces.ts';

const patienceMs = 150_000;
const mebibyte = 1024 ** 2;
/** as small as S3 takes them */
const partBytes = 5 * mebibyte;
const fileBytes = 12 * mebibyte;
/** one part more is less than a tenth of it */
const largerBytes = 11 * partBytes - 1;
/** further than any small request comes */
const heldAtBytes = 128 * 1024;

let server: S3Server;
let node: IpfsTestNode;
let ways: Readonly<Record<'bucket' | 'ipfs', FaultyWay>>;

const own = useOwnStack(async () => {
  [server, node] = await Promise.all([openS3Server(), openIpfsNode()]);
  ways = { bucket: await openFaultyWay(server.endpoint), ipfs: await openFaultyWay(node.apiUrl) };
  const tiny = sharedEnvironments.find(({ id }) => id === 'tiny');
  const limits = { transferPatienceSeconds: 60, graceSeconds: 2 };
  const stores = [
    s3SettingsOf(server, { endpoint: ways.bucket.endpoint }),
    { name: 'ipfs', kind: 'ipfs', readableByCid: true, nodes: [{ url: ways.ipfs.endpoint }] },
  ];
  return {
    environments: stores.map(({ name }) => ({ ...tiny, id: name, storage: name, limits })),
    env: { C2D_STORES: JSON.stringify(stores), C2D_UPLOAD_PART_BYTES: String(partBytes), C2D_AGENT_HEARTBEAT_SECONDS: '1' },
  };
});

afterAll(async () => {
  await Promise.all(Object.values(ways ?? {}).map((way) => way.close()));
  await Promise.all([server?.close(), node?.close()]);
});

/** Writes a large file of which no two parts are the same, and small ones. */
const code = `
const fs = require('node:fs');
const large = Buffer.alloc(Number(process.env.BYTES));
for (let at = 0; at + 4 <= large.length; at += 4) large.writeUInt32LE(at, at);
fs.writeFileSync('/data/outputs/large', large);
for (const n of [1, 2, 3]) fs.writeFileSync('/data/outputs/small' + n, 'small file ' + n);
console.log('written');`;

const sha256 = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');

const digestsOf = (bytes: number): Readonly<Record<string, string>> => {
  const large = Buffer.alloc(bytes);
  for (let at = 0; at + 4 <= large.length; at += 4) large.writeUInt32LE(at, at);
  const small = Object.fromEntries([1, 2, 3].map((n) => [`small${n}`, sha256(`small file ${n}`)]));
  return { large: sha256(large), ...small, 'algorithm.log': sha256('written\n') };
};

/** Temporal waits for the agent's report. */
const awaitsReport = async (jobId: string): Promise<boolean> => {
  const { open, pending } = await withTemporal(own().scene.stack.temporalAddress, (client) => createWorkflowLook(client).look(jobId));
  return open && pending.some(({ activityId, state }) => activityId === 'publishOutputs/1' && state === 'started');
};

/** A job whose large file is held on its way, with its phase begun, once this resolves. */
const startHeldUpload = async (store: 'bucket' | 'ipfs', bytes = fileBytes) => {
  const way = ways[store];
  const sentBefore = way.sentBytes();
  const upload = way.hold(heldAtBytes);
  const { jobId } = await startRawJob(own().scene, { code, environment: store, envs: { BYTES: String(bytes) } });
  await withPatience('the upload begins', upload.held, 60_000);
  await eventually('publishing begins', async () => (await awaitsReport(jobId)) || undefined);
  return { jobId, release: upload.release, sentBytes: () => way.sentBytes() - sentBefore };
};

const namesOf = ({ results }: Pick<ClientJob, 'results'>): readonly string[] => results.map(({ filename }) => filename);

/** Fails unless every file is there once, by its digest, from the one pod, and the manifest says the same. */
const expectWhole = async (jobId: string, end: object, bytes = fileBytes): Promise<void> => {
  const { scene } = own();
  const digests = digestsOf(bytes);
  const { job, results } = await awaitEnd(scene, jobId);
  expect(job).toMatchObject(end);
  expect(namesOf(job)).toEqual(Object.keys(digests));
  expect(Object.fromEntries([...results].map(([name, content]) => [name, sha256(content)]))).toEqual(digests);
  const { subject } = await readManifest(scene, jobId);
  expect(Object.fromEntries(subject.map(({ name, digest }) => [name, digest.sha256]))).toEqual(digests);
  expect(await readPodAttempts(scene, [jobId])).toEqual([1]);
};

const killProcess = async (part: Restartable): Promise<void> => {
  part.kill('SIGKILL');
  await part.waitForEnd();
};

/** Parts of the one upload that is under way, as the bucket's owner sees them. */
const countParts = async (): Promise<number> => {
  const client = createS3Client(s3SettingsOf(server));
  const { Uploads: [upload] = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: server.bucket }));
  if (upload === undefined) return 0;
  const { Parts = [] } = await client.send(new ListPartsCommand({ Bucket: server.bucket, Key: upload.Key, UploadId: upload.UploadId }));
  return Parts.length;
};

const startEncrypted = async (environment: string, recipient: string): Promise<string> => {
  const { scene } = own();
  const { stack, jobs } = scene;
  const rawcode = `require('node:fs').writeFileSync('/data/outputs/answer.txt', 'forty-two'); console.log('forty-two');`;
  const algorithm = { meta: { rawcode, container: aContainer(stack.nodeImage) } };
  const body = JSON.stringify({ environment, free: true, algorithm, encryption: { recipient } });
  const { id } = (await (await askAsOwner(scene, 'jobs', { method: 'POST', body })).json()) as JobDetails;
  jobs.add(id);
  return id;
};

/** What somebody finds who has the bucket, or learned the CIDs; in the order of the results. */
const readStored = async (store: 'bucket' | 'ipfs', jobId: string): Promise<readonly string[]> => {
  if (store === 'bucket') {
    const { keys, read } = bucketOf(server);
    const ofJob = (await keys()).filter((key) => key.startsWith(jobId));
    return Promise.all(ofJob.map(async (key) => (await read(key)).toString('latin1')));
  }
  const { results } = await readDetails(own().scene, jobId);
  return Promise.all(
    results.map(async ({ cid }) => Buffer.from(await (await fetch(`${node.gatewayUrl}/ipfs/${cid}`)).arrayBuffer()).toString('latin1')),
  );
};

const finished = { status: 70, terminationDetails: { exitCode: 0, OOMKilled: false } };
const stopped = { status: 80, terminationDetails: { exitCode: 0, OOMKilled: false, reason: 'stopped by the consumer' } };

describe.each(['bucket', 'ipfs'] as const)('results on their way into %s', (store) => {
  test(
    'are complete although the gateway was killed in the middle of a file',
    async () => {
      const { gateway } = own().parts.processes;
      const bytes = store === 'bucket' ? largerBytes : fileBytes;
      const upload = await startHeldUpload(store, bytes);
      if (store === 'bucket') await eventually('the other parts have arrived', async () => (await countParts()) === 10 || undefined);
      await killProcess(gateway);
      upload.release();
      await gateway.restart();
      await expectWhole(upload.jobId, finished, bytes);
      if (store !== 'bucket') return;
      expect(upload.sentBytes() / bytes).toBeLessThanOrEqual(1.1);
      const client = createS3Client(s3SettingsOf(server));
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: server.bucket, Prefix: upload.jobId }));
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: server.bucket }));
      expect([Contents.length, Uploads]).toEqual([5, []]);
    },
    patienceMs,
  );

  test(
    'are listed once, and sent once, although the orchestrator was killed between their arrival and the record of it',
    async () => {
      const { scene, parts } = own();
      const { jobId, release, sentBytes } = await startHeldUpload(store);
      await killProcess(parts.processes.orchestrator);
      release();
      let sent: number;
      try {
        await eventually('Temporal has the report', async () => !(await awaitsReport(jobId)) || undefined);
        const [waiting] = await scene.consumer.computeStatus({ jobId });
        // what is there can be read at once; that the job has ended is not known yet
        expect([waiting?.dateFinished, namesOf(waiting!)]).toEqual([null, Object.keys(digestsOf(0))]);
        sent = sentBytes();
      } finally {
        await parts.processes.orchestrator.restart();
      }
      await expectWhole(jobId, finished);
      expect(sentBytes()).toBe(sent);
    },
    patienceMs,
  );

  test(
    'arrive whole although the job is stopped meanwhile, and the job says that it was stopped',
    async () => {
      const { consumer } = own().scene;
      const { jobId, release } = await startHeldUpload(store);
      const [asked] = await consumer.computeStop({ jobId });
      expect(asked).toMatchObject({ stopRequested: true, dateFinished: null, results: [] });
      release();
      await expectWhole(jobId, stopped);
    },
    patienceMs,
  );

  test(
    'leave their pod encrypted where the consumer gave a key, and whoever reads the store reads nothing',
    async () => {
      const wallet = new Wallet(Wallet.createRandom().privateKey);
      const jobId = await startEncrypted(store, wallet.signingKey.compressedPublicKey);
      const { job, results } = await awaitEnd(own().scene, jobId);
      expect([job.status, namesOf(job)]).toEqual([70, ['answer.txt.age', 'algorithm.log.age']]);
      const stored = await readStored(store, jobId);
      expect(stored).toEqual([...results.values()].map((content) => content.toString('latin1')));
      for (const content of stored) {
        expect(content).toMatch(/^age-encryption\.org\/v1\n/);
        expect(content).not.toContain('forty-two');
      }
      const file = path.join(own().scene.folder, `${store}.txt.age`);
      await writeFile(file, results.get('answer.txt.age')!);
      expect(await readFile(await createFileDecrypter(wallet.privateKey).open(file), 'utf8')).toBe('forty-two');
    },
    patienceMs,
  );
});
