import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { createTurns } from '../../../infra/storage/inTurn.ts';
import { createS3Client } from '../../../infra/storage/s3Client.ts';
import { openStores } from '../../../infra/storage/stores.ts';
import type { S3Server } from '../../../infra/toolchain/versitygw.ts';
import { createGateway } from '../../../workers/agent/client.ts';
import { createSend } from '../../../workers/agent/http.ts';
import { uploadFiles, type Upload } from '../../../workers/agent/upload.ts';
import { openS3Server, rememberedUploads, s3SettingsOf } from '../../support/s3.ts';
import { openFaultyWay, type Fault, type FaultyWay, type S3Operation } from '../../support/s3Faults.ts';
import { closeAll, startGateway } from './harness.ts';

const mebibyte = 1024 ** 2;
const partBytes = 5 * mebibyte;
/** one part more is less than a tenth of it */
const largeFile = randomBytes(11 * partBytes - 1);
const smallFiles = Array.from({ length: 20 }, () => randomBytes(10 * 1024));

/** Only what may be sent again has to be so large that it shows. */
const contentsFor = (operation: S3Operation): readonly Buffer[] => {
  if (operation === 'PutObject') return smallFiles;
  return [operation === 'UploadPart' ? largeFile : largeFile.subarray(0, partBytes + 1)];
};

let server: S3Server;
let folder: string;
let way: FaultyWay;

beforeAll(async () => {
  server = await openS3Server();
  folder = await mkdtemp(path.join(tmpdir(), 'c2d-faults-'));
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  way = await openFaultyWay(server.endpoint);
});
afterEach(async () => {
  await closeAll();
  await way.close();
});

const write = (contents: readonly Buffer[]): Promise<readonly Upload[]> =>
  Promise.all(
    contents.map(async (content, n) => {
      const place = path.join(folder, String(n));
      await writeFile(place, content);
      return { n, place: Buffer.from(place), name: `file-${n}`, type: 'output' as const };
    }),
  );

/** Agent and gateway, and by the faulty way a bucket. */
const startUpload = async () => {
  const settings = s3SettingsOf(server, { endpoint: way.endpoint, idleSeconds: 1 });
  const store = await openStores({ C2D_STORES: [settings] }, { uploads: rememberedUploads(), exclusively: createTurns() });
  const agentSettings = { seal: { kind: 'noNetwork' }, heartbeatSeconds: 4, partBytes } as const;
  const { url, tokens, pod } = await startGateway({ admission: { store: settings.name }, deps: { store, settings: agentSettings } });
  const gateway = createGateway(createSend({ host: '127.0.0.1', port: Number(new URL(url).port) }, tokens.tokenOf(pod)));
  return { gateway, store, job: { store: settings.name, ...pod } };
};

describe('whatever happens between gateway and bucket, results are complete, and hardly more bytes are sent than they have', () => {
  test.each<[string, S3Operation, Fault, number?]>([
    ['a part is cut at its first byte', 'UploadPart', { kind: 'cut', afterBytes: 1 }],
    ['a part is cut in the middle', 'UploadPart', { kind: 'cut', afterBytes: partBytes / 2 }],
    ['a part meets an error of the server', 'UploadPart', { kind: 'refuse', status: 500, code: 'InternalError' }],
    ['parts are asked to slow down', 'UploadPart', { kind: 'refuse', status: 503, code: 'SlowDown' }, 3],
    ['a part is stored, and nobody is told', 'UploadPart', { kind: 'loseAnswer' }],
    ['a part stalls on its way', 'UploadPart', { kind: 'stall', afterBytes: mebibyte }],
    ['a part is not answered', 'UploadPart', { kind: 'stall', afterBytes: partBytes }],
    ['a part arrives as other bytes', 'UploadPart', { kind: 'damage' }],
    ['an upload is begun, and nobody is told', 'CreateMultipartUpload', { kind: 'loseAnswer' }],
    ['an upload cannot be begun', 'CreateMultipartUpload', { kind: 'refuse', status: 503, code: 'SlowDown' }, 4],
    ['its parts cannot be listed', 'ListParts', { kind: 'refuse', status: 500, code: 'InternalError' }, 4],
    ['a file is completed, and nobody is told', 'CompleteMultipartUpload', { kind: 'loseAnswer' }],
    ['a file cannot be completed', 'CompleteMultipartUpload', { kind: 'refuse', status: 500, code: 'InternalError' }, 4],
    ['a file cannot be looked at', 'HeadObject', { kind: 'refuse', status: 503, code: 'SlowDown' }, 4],
    ['a small file is cut', 'PutObject', { kind: 'cut', afterBytes: 1 }],
    ['a small file is stored, and nobody is told', 'PutObject', { kind: 'loseAnswer' }],
    ['a small file stalls', 'PutObject', { kind: 'stall', afterBytes: 1 }],
    ['a small file arrives as other bytes', 'PutObject', { kind: 'damage' }],
    ['a small file is asked to slow down', 'PutObject', { kind: 'refuse', status: 503, code: 'SlowDown' }],
  ])('when %s', async (_what, operation, fault, times = 1) => {
    const contents = contentsFor(operation);
    const { gateway, store, job } = await startUpload();
    way.next(operation, fault, times);
    const done = new Map();
    const deps = { gateway, partBytes, patienceMs: 20_000, done, onPart: () => undefined, onFile: () => undefined };
    await uploadFiles(await write(contents), deps);
    expect(way.met()).toBe(times);
    for (const [n, content] of contents.entries()) expect(Buffer.compare(await buffer(await store.read({ ...job, n })), content)).toBe(0);
    const size = contents.reduce((sum, { length }) => sum + length, 0);
    expect(way.sentBytes() / size).toBeLessThanOrEqual(1.1);

    await store.remove(job);
    const client = createS3Client(s3SettingsOf(server));
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: server.bucket }));
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: server.bucket }));
    expect([Contents, Uploads]).toEqual([[], []]);
  });
});
