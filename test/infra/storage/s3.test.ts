import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { s3Store } from '../../../infra/storage/s3.ts';
import { createS3Client } from '../../../infra/storage/s3Client.ts';
import { s3Failure } from '../../../infra/storage/s3Failure.ts';
import type { S3Server } from '../../../infra/toolchain/versitygw.ts';
import { openS3Server, rememberedUploads, s3SettingsOf } from '../../support/s3.ts';
import { openFaultyWay } from '../../support/s3Faults.ts';
import { aJobId, describeResultStore, someBytes, storeBytes } from './resultStore.suite.ts';

const mebibyte = 1024 ** 2;
const partBytes = 5 * mebibyte;

let server: S3Server;

beforeAll(async () => {
  server = await openS3Server();
});

afterAll(async () => {
  await server.close();
});

const aStore = (changes = {}, uploads = rememberedUploads()) => s3Store({ settings: s3SettingsOf(server, changes), uploads });

describeResultStore('s3Store', async () => aStore({ prefix: 'some/results/' }), {
  ...{ partBytes, largestPart: 6 * mebibyte, largestFile: 13 * mebibyte, runs: 4 },
});

describe('s3Store', () => {
  const file = () => ({ jobId: aJobId(), podAttempt: 3, n: 5 });
  const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
  const listKeys = async (prefix: string): Promise<readonly (string | undefined)[]> => {
    const client = createS3Client(s3SettingsOf(server));
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: server.bucket, Prefix: prefix }));
    return Contents.map(({ Key }) => Key);
  };

  test('a completed file lies at prefix, job, attempt and number, with nothing beside it', async () => {
    const ref = file();
    await storeBytes(aStore({ prefix: 'here/' }), ref, { bytes: Buffer.from('abc'), partBytes });
    expect(await listKeys(`here/${ref.jobId}`)).toEqual([`here/${ref.jobId}/3/5`]);
  });

  test('nobody reads an object without the service', async () => {
    const ref = file();
    await storeBytes(aStore(), ref, { bytes: Buffer.from('abc'), partBytes });
    const url = `${server.endpoint}/${server.bucket}/${ref.jobId}/3/5`;
    expect((await fetch(url)).status).toBe(403);
    expect((await fetch(`${server.endpoint}/${server.bucket}?list-type=2`)).status).toBe(403);
  });

  const putWhole = (store: ReturnType<typeof aStore>, ref: ReturnType<typeof file>, sent: string, meant = sent): Promise<void> =>
    store.putWhole!(ref, { sizeBytes: meant.length, sha256: sha256(Buffer.from(meant)) }, Readable.from([Buffer.from(sent)]));

  test('a whole file takes one request, also again, and nothing is remembered of it', async () => {
    const [ref, uploads] = [file(), rememberedUploads()];
    const store = aStore({}, uploads);
    for (const content of ['whole', 'whole', 'other', '']) {
      await putWhole(store, ref, content);
      expect((await buffer(await store.read(ref))).toString()).toBe(content);
    }
    expect([await listKeys(ref.jobId), uploads.size()]).toEqual([[`${ref.jobId}/3/5`], 0]);
  });

  test('a whole file of other bytes than promised is not stored', async () => {
    const [ref, store] = [file(), aStore()];
    await expect(putWhole(store, ref, 'damaged', 'correct')).rejects.toMatchObject({ type: 'StorageUnavailable' });
    await expect(store.read(ref)).rejects.toMatchObject({ type: 'StorageRefused' });
  });

  test('a whole file is read back where the server tells no checksum', async () => {
    const settings = s3SettingsOf(server);
    const client = createS3Client(settings);
    const asked: string[] = [];
    client.middlewareStack.add(
      (next, { commandName = '' }) =>
        async (args) => {
          asked.push(commandName);
          const result = await next(args);
          delete (result.output as { ChecksumSHA256?: string }).ChecksumSHA256;
          return result;
        },
      { step: 'initialize' },
    );
    const [ref, store] = [file(), s3Store({ settings, uploads: rememberedUploads(), client })];
    await putWhole(store, ref, 'whole');
    expect(asked).toEqual(['PutObjectCommand', 'HeadObjectCommand', 'GetObjectCommand']);
  });

  test('what one process began another one ends, and both may begin at once', async () => {
    const [ref, uploads] = [file(), rememberedUploads()];
    const [one, other] = [aStore({}, uploads), aStore({}, uploads)];
    const bytes = someBytes(2 * partBytes + 1);
    const put = (store: typeof one, k: number) => {
      const piece = bytes.subarray(k * partBytes, (k + 1) * partBytes);
      return store.putPart(ref, { k, offset: k * partBytes, sizeBytes: piece.length, sha256: sha256(piece) }, Readable.from([piece]));
    };
    await Promise.all([put(one, 0), put(other, 1), put(one, 2)]);
    await storeBytes(other, ref, { bytes, partBytes, order: [] });
    expect(Buffer.compare(await buffer(await one.read(ref)), bytes)).toBe(0);
    expect(uploads.size()).toBe(0);
  });

  test('a file that is begun anew, by whatever process, is sent no part that the bucket has', async () => {
    const way = await openFaultyWay(server.endpoint);
    try {
      const [ref, uploads] = [file(), rememberedUploads()];
      const [one, other] = [aStore({ endpoint: way.endpoint }, uploads), aStore({ endpoint: way.endpoint }, uploads)];
      const bytes = someBytes(2 * partBytes + 1);
      const put = (store: typeof one, k: number, piece = bytes.subarray(k * partBytes, (k + 1) * partBytes)) =>
        store.putPart(ref, { k, offset: k * partBytes, sizeBytes: piece.length, sha256: sha256(piece) }, Readable.from([piece]));
      await put(one, 0);
      await put(one, 1, someBytes(partBytes));
      const sent = way.sentBytes();
      for (const store of [one, other]) await put(store, 0);
      expect(way.sentBytes()).toBe(sent);
      // another file of that name, of which one part is the same
      await storeBytes(other, ref, { bytes, partBytes });
      expect(way.sentBytes() - sent).toBeLessThan(1.1 * partBytes);
      expect(Buffer.compare(await buffer(await one.read(ref)), bytes)).toBe(0);
    } finally {
      await way.close();
    }
  });

  test('parts are sent where nobody can tell which the bucket has', async () => {
    const way = await openFaultyWay(server.endpoint);
    try {
      way.next('ListParts', { kind: 'refuse', status: 403, code: 'AccessDenied' });
      const [ref, bytes] = [file(), someBytes(partBytes + 1)];
      await storeBytes(aStore({ endpoint: way.endpoint }), ref, { bytes, partBytes });
      expect(way.met()).toBe(1);
    } finally {
      await way.close();
    }
  });

  test('removing a job ends its unfinished uploads', async () => {
    const [ref, uploads] = [file(), rememberedUploads()];
    const store = aStore({}, uploads);
    const bytes = Buffer.from('abc');
    await store.putPart(ref, { k: 0, offset: 0, sizeBytes: 3, sha256: sha256(bytes) }, Readable.from([bytes]));
    await store.remove({ jobId: ref.jobId });
    const client = createS3Client(s3SettingsOf(server));
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: server.bucket, Prefix: ref.jobId }));
    expect({ uploads: Uploads, remembered: uploads.size() }).toEqual({ uploads: [], remembered: 0 });
  });

  test('more files than one request can delete are removed', async () => {
    const jobId = aJobId();
    const store = aStore();
    const each = Array.from({ length: 1_010 }, (_, n) => n);
    for (let from = 0; from < each.length; from += 50)
      await Promise.all(
        each
          .slice(from, from + 50)
          .map((n) => store.complete({ jobId, podAttempt: 1, n }, { sizeBytes: 0, sha256: sha256(Buffer.alloc(0)), parts: 0, partBytes })),
      );
    await store.remove({ jobId });
    expect(await listKeys(jobId)).toEqual([]);
  });

  test.each<[string, object, RegExp]>([
    ['another access key', { credentials: { accessKeyId: 'nobody', secretAccessKey: 'wrong' } }, /does not know the access key/],
    ['another secret', { credentials: { accessKeyId: 'results', secretAccessKey: 'wrong' } }, /does not accept the secret key/],
    ['no such bucket', { bucket: 'elsewhere' }, /bucket of the result store does not exist/],
  ])('with %s it is refused, and the reason says what to do', async (_name, changes, reason) => {
    const err: unknown = await aStore(changes)
      .check()
      .catch((thrown: unknown) => thrown);
    expect(err).toMatchObject({ type: 'StorageRefused', retryAfterSeconds: undefined });
    expect((err as Error).message).toMatch(reason);
    expect((err as Error).message).not.toMatch(/127\.0\.0\.1|wrong/);
  });

  test('a server that is away is waited for, and used again once it is back', async () => {
    const [ref, store] = [file(), aStore()];
    await server.restart();
    const killed = server.waitForEnd();
    server.kill('SIGKILL');
    await killed;
    const attempt = storeBytes(store, ref, { bytes: Buffer.from('abc'), partBytes });
    await expect(attempt).rejects.toMatchObject({ type: 'StorageUnavailable', retryAfterSeconds: expect.any(Number) });
    await server.restart();
    await storeBytes(store, ref, { bytes: Buffer.from('abc'), partBytes });
    expect((await buffer(await store.read(ref))).toString()).toBe('abc');
  });
});

describe('s3Failure', () => {
  const awsError = (name: string, httpStatusCode: number) =>
    Object.assign(new Error(`${name}: https://bucket/key?X-Amz-Signature=secret`), { name, $metadata: { httpStatusCode } });

  test.each<[string, number, string]>([
    ['AccessDenied', 403, 'StorageRefused'],
    ['SomethingNew', 403, 'StorageRefused'],
    ['NoSuchBucket', 404, 'StorageRefused'],
    ['NoSuchKey', 404, 'StorageRefused'],
    ['InvalidArgument', 400, 'StorageRefused'],
    ['NotImplemented', 501, 'StorageRefused'],
    ['SlowDown', 503, 'StorageUnavailable'],
    ['TooManyRequests', 429, 'StorageUnavailable'],
    ['InternalError', 500, 'StorageUnavailable'],
    ['BadDigest', 400, 'StorageUnavailable'],
    ['NoSuchUpload', 404, 'StorageUnavailable'],
  ])('%s with %i is %s', (name, status, type) => {
    const failure = s3Failure(awsError(name, status));
    expect({ type: failure.type, retried: failure.retryAfterSeconds !== undefined }).toEqual({
      type,
      retried: type === 'StorageUnavailable',
    });
    expect(failure.message).not.toContain('secret');
  });

  test.each(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'ETIMEDOUT'])('%s on the way is worth a retry', (code) => {
    const failure = s3Failure(Object.assign(new Error('connect 10.0.0.1:9000'), { code }));
    expect(failure).toMatchObject({ type: 'StorageUnavailable', message: expect.stringContaining(code) });
    expect(failure.message).not.toContain('10.0.0.1');
  });
});
