import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { createTurns } from '../../../infra/storage/inTurn.ts';
import { ipfsStoreConfig, type StoreConfig } from '../../../infra/storage/config.ts';
import { createS3Client } from '../../../infra/storage/s3Client.ts';
import { openStores } from '../../../infra/storage/stores.ts';
import type { S3Server } from '../../../infra/toolchain/versitygw.ts';
import { createGateway } from '../../../workers/agent/client.ts';
import { createSend } from '../../../workers/agent/http.ts';
import { uploadFiles, type Upload } from '../../../workers/agent/upload.ts';
import { openIpfsNode, type IpfsTestNode } from '../../support/ipfs.ts';
import { openS3Server, rememberedUploads, s3SettingsOf } from '../../support/s3.ts';
import { openFaultyWay, type Fault, type FaultyWay, type IpfsOperation, type S3Operation } from '../../support/s3Faults.ts';
import { closeAll, startGateway } from './harness.ts';

const mebibyte = 1024 ** 2;
const partBytes = 5 * mebibyte;
/** one part more is less than a tenth of it */
const largeFile = randomBytes(11 * partBytes - 1);
const smallFiles = Array.from({ length: 20 }, () => randomBytes(10 * 1024));

const patienceMs = 20_000;
/** A loaded machine may need seconds for a part: only what stalls is given up early. */
const idleSecondsFor = ({ kind }: Fault): number => (kind === 'stall' ? 2 : patienceMs / 1_000);

/** Only what may be sent again has to be so large that it shows. */
const contentsFor = (operation: S3Operation): readonly Buffer[] => {
  if (operation === 'PutObject') return smallFiles;
  return [operation === 'UploadPart' ? largeFile : largeFile.subarray(0, partBytes + 1)];
};

let server: S3Server;
let node: IpfsTestNode;
let folder: string;
let way: FaultyWay;

beforeAll(async () => {
  [server, node] = await Promise.all([openS3Server(), openIpfsNode()]);
  folder = await mkdtemp(path.join(tmpdir(), 'c2d-faults-'));
});
afterAll(async () => {
  await Promise.all([server.close(), node.close()]);
  await rm(folder, { recursive: true, force: true });
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

/** Agent and gateway, and by the faulty way a store. */
const startUpload = async (settings: StoreConfig) => {
  const store = await openStores({ C2D_STORES: [settings] }, { uploads: rememberedUploads(), exclusively: createTurns() });
  const agentSettings = { seal: { kind: 'noNetwork' }, heartbeatSeconds: 4, partBytes } as const;
  const { url, tokens, pod } = await startGateway({ admission: { store: settings.name }, deps: { store, settings: agentSettings } });
  const gateway = createGateway(createSend({ host: '127.0.0.1', port: Number(new URL(url).port) }, tokens.tokenOf(pod)));
  return { gateway, store, job: { store: settings.name, ...pod } };
};

/** Fails unless every file is there, by every byte. @returns what was sent, for each byte that the files have */
const uploadThrough = async (settings: StoreConfig, contents: readonly Buffer[], disturb: () => void) => {
  const { gateway, store, job } = await startUpload(settings);
  disturb();
  const deps = { gateway, partBytes, patienceMs, done: new Map(), onPart: () => undefined, onFile: () => undefined };
  await uploadFiles(await write(contents), deps);
  for (const [n, content] of contents.entries()) expect(Buffer.compare(await buffer(await store.read({ ...job, n })), content)).toBe(0);
  const size = contents.reduce((sum, { length }) => sum + length, 0);
  return { store, job, sentRatio: way.sentBytes() / size };
};

describe('whatever happens between gateway and bucket, results are complete, and hardly more bytes are sent than they have', () => {
  beforeEach(async () => void (way = await openFaultyWay(server.endpoint)));

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
    const bucket = s3SettingsOf(server, { endpoint: way.endpoint, idleSeconds: idleSecondsFor(fault) });
    const { store, job, sentRatio } = await uploadThrough(bucket, contents, () => way.next(operation, fault, times));
    expect(way.met()).toBe(times);
    expect(sentRatio).toBeLessThanOrEqual(1.1);

    await store.remove(job);
    const client = createS3Client(s3SettingsOf(server));
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: server.bucket }));
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: server.bucket }));
    expect([Contents, Uploads]).toEqual([[], []]);
  });
});

describe('whatever happens between gateway and a node of IPFS, results are complete', () => {
  beforeEach(async () => void (way = await openFaultyWay(node.apiUrl)));
  const refused: Fault = { kind: 'refuse', status: 500, code: 'of the test' };
  const severalParts = [randomBytes(3 * partBytes + 7)];
  const several = [...smallFiles, randomBytes(mebibyte)];

  test.each<[string, IpfsOperation, Fault, readonly Buffer[], number?]>([
    ['a part is cut in the middle', 'add', { kind: 'cut', afterBytes: mebibyte }, severalParts],
    ['a part is refused', 'add', refused, severalParts],
    ['a part is stored, and nobody is told', 'add', { kind: 'loseAnswer' }, severalParts],
    ['a part arrives as other bytes', 'add', { kind: 'damage', atByte: mebibyte }, severalParts],
    ['a part stalls on its way', 'add', { kind: 'stall', afterBytes: mebibyte }, severalParts],
    ['a part is not answered', 'add', { kind: 'stall', afterBytes: partBytes }, severalParts],
    ['small files stall', 'add', { kind: 'stall', afterBytes: 1 }, several, 3],
    ['what has arrived cannot be listed', 'refs', refused, severalParts],
    ['a file cannot be made of its parts', 'files/read', refused, severalParts, 2],
    ['a file gets no name', 'files/cp', refused, severalParts],
    ['a file has its name, and nobody is told', 'files/mv', { kind: 'loseAnswer' }, severalParts],
    ['parts cannot be listed', 'ls', { kind: 'refuse', status: 503, code: 'SlowDown' }, severalParts],
    ['parts are removed, and nobody is told', 'files/rm', { kind: 'loseAnswer' }, severalParts],
    ['small files are cut', 'add', { kind: 'cut', afterBytes: 1 }, several, 3],
    ['small files are stored, and nobody is told', 'add', { kind: 'loseAnswer' }, several, 3],
    ['small files arrive as other bytes', 'add', { kind: 'damage', atByte: 5_000 }, several, 3],
    ['small files get names, and nobody is told', 'files/cp', { kind: 'loseAnswer' }, several, 3],
    ['small files cannot be looked at', 'files/stat', { kind: 'refuse', status: 503, code: 'SlowDown' }, several, 3],
    ['no folder is made', 'files/mkdir', refused, several],
  ])('when %s', async (_what, operation, fault, contents, times = 1) => {
    const { kind, name, readableByCid } = { kind: 'ipfs', name: 'ipfs', readableByCid: true } as const;
    const settings = ipfsStoreConfig.parse({
      kind,
      name,
      readableByCid,
      nodes: [{ url: way.endpoint }],
      idleSeconds: idleSecondsFor(fault),
    });
    const { store, job } = await uploadThrough(settings, contents, () => way.next(operation, fault, times));
    expect(way.met()).toBe(times);
    const files = contents.map((content, n) => ({ n, filename: String(n), sha256: createHash('sha256').update(content).digest('hex') }));
    const sealed = await store.seal(job, files);
    expect(sealed?.files.size).toBe(contents.length);
    await store.remove(job);
  });
});
