/** Outputs in a bucket of the consumer's own, with the unmodified client library and a real S3 server. */

import { createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { S3Server } from '../../infra/toolchain/versitygw.ts';
import type { OutputTarget } from '../../workflows/contract/output.ts';
import { readDetails, readManifest } from '../support/asOwner.ts';
import { withPatience } from '../support/heldJobs.ts';
import { aContainer, awaitEnd, firstEnvironment } from '../support/jobs.ts';
import { asRemoteStorage, aTarget, bucketOf, unpack } from '../support/outputs.ts';
import { openS3Server } from '../support/s3.ts';
import { openFaultyWay } from '../support/s3Faults.ts';
import { useScene } from '../support/scene.ts';

const scene = useScene();
const patienceMs = 120_000;
let server: S3Server;
beforeAll(async () => void (server = await openS3Server()));
afterAll(() => server.close());

const code = `
const fs = require('node:fs');
fs.mkdirSync('/data/outputs/deep');
fs.writeFileSync('/data/outputs/answer.txt', 'forty-two');
fs.writeFileSync('/data/outputs/deep/copy.txt', 'forty-two again');
console.log('written');`;

const start = async (target: OutputTarget, encryption?: object): Promise<string> => {
  const { consumer, stack, jobs } = scene();
  const { id: environment } = await firstEnvironment(consumer);
  const algorithm = { meta: { rawcode: code, container: aContainer(stack.nodeImage) } };
  const output = { ...asRemoteStorage(target), ...(encryption && { encryption }) };
  const [job] = await consumer.freeComputeStart({ environment, datasets: [], algorithm, queueMaxWaitTime: 60, output });
  jobs.add(job!.jobId);
  return job!.jobId;
};

const files = { 'outputs/answer.txt': Buffer.from('forty-two'), 'outputs/deep/copy.txt': Buffer.from('forty-two again') };

test(
  'arrive as one archive, of which the job tells where it is and what; its log stays a result',
  async () => {
    const target = aTarget(server);
    const jobId = await start(target);
    const { job, results, log } = await awaitEnd(scene(), jobId);
    expect(job).toMatchObject({ status: 70, results: [{ filename: 'algorithm.log', type: 'algorithmLog', index: 0 }] });
    expect([[...results.keys()], log]).toEqual([['algorithm.log'], expect.stringContaining('written')]);
    const key = `results/outputs-${jobId}.tar`;
    const archive = await bucketOf(server).read(key);
    expect(await unpack(archive)).toEqual(files);
    const { delivery } = await readDetails(scene(), jobId);
    const sha256 = createHash('sha256').update(archive).digest('hex');
    expect(delivery).toEqual({ state: 'delivered', bucket: server.bucket, key, encrypted: false, sizeBytes: archive.length, sha256 });
    const manifest = await readManifest(scene(), jobId);
    expect(manifest.predicate.archive).toEqual({ name: `outputs-${jobId}.tar`, encrypted: false, sizeBytes: archive.length, sha256 });
    expect(manifest.subject.map(({ name }) => name)).toEqual(['answer.txt', 'deep%2Fcopy.txt', 'algorithm.log']);
    expect(JSON.stringify([job, delivery])).not.toContain(target.secretAccessKey);
    expect(JSON.stringify(job)).not.toContain('results/outputs');
  },
  patienceMs,
);

test(
  'are encrypted with the AES key of the request, in the form of ocean-node',
  async () => {
    const { stack } = scene();
    const key = randomBytes(32).toString('hex');
    const jobId = await start(aTarget(server, { objectKey: 'sealed.tar' }), { encryptMethod: 'AES', key });
    expect((await awaitEnd(scene(), jobId)).job.status).toBe(70);
    const { nodePublicKey } = (await (await fetch(stack.apiUrl)).json()) as { nodePublicKey: string };
    const iv = Buffer.from(nodePublicKey.replace('0x', ''), 'hex').subarray(0, 16);
    const decipher = createDecipheriv('aes-256-cbc', Buffer.from(key, 'hex'), iv);
    const archive = Buffer.concat([decipher.update(await bucketOf(server).read('sealed.tar')), decipher.final()]);
    expect(await unpack(archive)).toEqual(files);
  },
  patienceMs,
);

test(
  'are here, and nothing of them in the bucket, when their consumer stops a job that waits for it',
  async () => {
    const way = await openFaultyWay(server.endpoint);
    try {
      way.next('UploadPart', { kind: 'stall', afterBytes: 1 });
      const jobId = await start(aTarget(server, { endpoint: way.endpoint, objectKey: 'stopped/' }));
      await withPatience('the delivery begins', way.stalled(), 60_000);
      await scene().consumer.computeStop({ jobId });
      const { job, results } = await awaitEnd(scene(), jobId);
      expect(job).toMatchObject({
        status: 80,
        terminationDetails: { exitCode: 0, reason: expect.stringMatching(/^stopped by the consumer before/) as string },
      });
      expect([...results.keys()]).toEqual(['answer.txt', 'deep%2Fcopy.txt', 'algorithm.log']);
      expect((await readDetails(scene(), jobId)).delivery).toMatchObject({ state: 'failed', sizeBytes: null });
      expect([await bucketOf(server).uploads(), (await bucketOf(server).keys()).filter((key) => key.startsWith('stopped/'))]).toEqual([
        0,
        [],
      ]);
    } finally {
      await way.close();
    }
  },
  patienceMs,
);

test(
  'are refused before anything is started where the bucket does not take them',
  async () => {
    const target = aTarget(server, { secretAccessKey: 'hunter2hunter2' });
    await expect(start(target)).rejects.toThrow(/does not accept the secret key: correct secretAccessKey/);
  },
  patienceMs,
);
