import { createHash } from 'node:crypto';
import { awaitEndOf, awaitJob } from '../support/callers.ts';
import { aContainer, firstEnvironment } from '../support/jobs.ts';
import { useScene } from '../support/scene.ts';

const scene = useScene();
const patienceMs = 120_000;

const waitToBeStopped = `process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000);`;

const startWith = async (authToken: string) => {
  const environment = (await firstEnvironment(scene().consumer)).id;
  const algorithm = { meta: { rawcode: waitToBeStopped, container: aContainer(scene().stack.nodeImage) } };
  const jobs = await scene().consumer.freeComputeStart({ environment, datasets: [], algorithm, authToken, queueMaxWaitTime: 120 });
  const { jobId } = jobs[0]!;
  scene().jobs.add(jobId);
  return jobs[0]!;
};

describe('the unmodified client library with a token', () => {
  test(
    'starts, follows and stops a job, until the token is invalidated',
    async () => {
      const { consumer, stack } = scene();
      const authToken = await consumer.generateAuthToken();
      const { jobId, owner } = await startWith(authToken);
      expect(owner).toBe(consumer.address);
      await awaitJob(stack.apiUrl, jobId, ({ status }) => status === 40);
      expect(await consumer.computeStatus({ jobId, authToken })).toMatchObject([{ jobId, status: 40 }]);
      expect(await consumer.computeStop({ jobId, authToken })).toMatchObject([{ jobId, stopRequested: true }]);
      expect(await awaitEndOf(stack.apiUrl, jobId)).toMatchObject({ status: 80 });

      expect(await consumer.invalidateAuthToken({ authToken })).toEqual({ success: true });
      await expect(consumer.computeStop({ jobId, authToken })).rejects.toThrow();
      await expect(startWith(authToken)).rejects.toThrow(/Invalid token/);
    },
    patienceMs,
  );

  test(
    "another's token stops nothing",
    async () => {
      const { consumer, publisher, stack } = scene();
      const { jobId } = await startWith(await consumer.generateAuthToken());
      const others = await publisher.generateAuthToken();
      await expect(publisher.computeStop({ jobId, authToken: others })).rejects.toThrow();
      expect(await publisher.computeStatus({ jobId, authToken: others })).toEqual([]);
      await consumer.computeStop({ jobId });
      expect(await awaitEndOf(stack.apiUrl, jobId)).toMatchObject({ status: 80 });
    },
    patienceMs,
  );
});

describe('the unmodified client library and an access service', () => {
  test(
    'looks at its files, orders it and downloads what was ordered',
    async () => {
      const { consumer, publisher, files } = scene();
      const contents = ['first file', 'second file'];
      const asset = await publisher.publishAsset({
        ...{ kind: 'dataset', name: 'to download', serviceType: 'access', timeout: 3_600 },
        files: contents.map((content) => ({ type: 'url', url: files.serve(content), method: 'GET' })),
      });
      const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
      expect(await consumer.didFiles({ asset, checksum: true })).toMatchObject(
        contents.map((text, index) => ({ index, valid: true, contentLength: String(text.length), checksum: sha256(text) })),
      );
      expect(await consumer.fileInfo({ file: { type: 'url', url: files.serve('free'), method: 'GET' }, checksum: false })).toMatchObject([
        { valid: true, contentLength: '4' },
      ]);

      const quote = await consumer.initialize({ asset, fileIndex: 1 });
      const transferTxId = await consumer.placeOrder({ asset, quote, consumerAddress: consumer.address });
      for (const [fileIndex, text] of contents.entries()) {
        expect(await consumer.downloadAsset({ asset, fileIndex, transferTxId })).toMatchObject({ text });
      }
      // what the consumer ordered is nobody else's
      await expect(publisher.downloadAsset({ asset, fileIndex: 0, transferTxId })).rejects.toThrow();
    },
    patienceMs,
  );
});
