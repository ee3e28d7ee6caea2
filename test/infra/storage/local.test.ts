import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { localStore } from '../../../infra/storage/local.ts';
import { localFailure } from '../../../infra/storage/localFailure.ts';
import { aJobId, describeResultStore, storeBytes } from './resultStore.suite.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'c2d-store-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describeResultStore('localStore', async () => localStore({ folder: join(folder, 'made/on/demand') }));

describe('localStore', () => {
  const file = () => ({ jobId: aJobId(), podAttempt: 3, n: 5 });

  test('a completed file lies at job, attempt and number, private, with nothing beside it', async () => {
    const ref = file();
    await storeBytes(localStore({ folder }), ref, { bytes: Buffer.from('abcdefghij') });
    expect(await readdir(join(folder, ref.jobId, '3'))).toEqual(['5']);
    const { mode } = await stat(join(folder, ref.jobId, '3', '5'));
    expect(mode & 0o777).toBe(0o600);
  });

  test('a part of many megabytes passes in constant memory (complaint: large results take memory)', async () => {
    const ref = file();
    const chunk = Buffer.alloc(1024 * 1024, 7);
    const chunks = 256;
    const hash = createHash('sha256');
    for (let i = 0; i < chunks; i++) hash.update(chunk);
    const digest = hash.digest('hex');
    const store = localStore({ folder });
    const before = process.memoryUsage().rss;
    let peak = before;
    const source = Readable.from(
      (function* () {
        for (let i = 0; i < chunks; i++) {
          peak = Math.max(peak, process.memoryUsage().rss);
          yield chunk;
        }
      })(),
    );
    await store.putPart(ref, { k: 0, offset: 0, sizeBytes: chunk.length * chunks, sha256: digest }, source);
    const sizeBytes = chunk.length * chunks;
    await store.complete(ref, { sizeBytes, sha256: digest, parts: 1, partBytes: sizeBytes });
    expect(peak - before).toBeLessThan(100 * 1024 * 1024);
  });

  test('what another process has written is read again before it counts', async () => {
    const bytes = Buffer.from('abcdefghij');
    const [ref, digest] = [file(), createHash('sha256').update(bytes).digest('hex')];
    const part = { k: 0, offset: 0, sizeBytes: bytes.length, sha256: digest };
    const expected = { sizeBytes: bytes.length, sha256: digest, parts: 1, partBytes: bytes.length, partDigests: [digest] };
    await localStore({ folder }).putPart(ref, part, Readable.from([bytes]));
    await writeFile(join(folder, ref.jobId, '3', '5.partial'), 'abcdefghiX');
    await expect(localStore({ folder }).complete(ref, expected)).rejects.toMatchObject({ type: 'StorageUnavailable' });
  });

  test.each<[string, (other: Buffer) => Readable]>([
    ['was replaced by another', (other) => Readable.from([other])],
    ['was sent again and cut', (other) => cutAfter(other)],
  ])('a part that %s does not count as what it was before', async (_, again) => {
    const store = localStore({ folder });
    const ref = file();
    const [first, other] = [Buffer.alloc(1_000_000, 'a'), Buffer.alloc(1_000_000, 'b')];
    const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
    const part = { k: 0, offset: 0, sizeBytes: first.length };
    await store.putPart(ref, { ...part, sha256: sha256(first) }, Readable.from([first]));
    await store.putPart(ref, { ...part, sha256: sha256(other) }, again(other)).catch(() => undefined);
    const digests = { sha256: sha256(first), partDigests: [sha256(first)] };
    const expected = { sizeBytes: first.length, parts: 1, partBytes: first.length, ...digests };
    await expect(store.complete(ref, expected)).rejects.toMatchObject({ type: 'StorageUnavailable' });
  });

  test('a folder that is a file is refused, and no path is told', async () => {
    const path = join(folder, 'file');
    await writeFile(path, '');
    const store = localStore({ folder: path });
    const err: unknown = await storeBytes(store, file(), { bytes: Buffer.from('x') }).catch((reason: unknown) => reason);
    expect(err).toMatchObject({ type: 'StorageRefused', retryAfterSeconds: undefined });
    expect((err as Error).message).not.toContain(folder);
    await expect(store.check()).rejects.toMatchObject({ type: expect.stringMatching(/^Storage/) });
  });
});

/** Breaks off after these bytes. */
const cutAfter = (bytes: Buffer): Readable =>
  Readable.from(
    (function* () {
      yield bytes;
      throw new Error('aborted');
    })(),
  );

describe('localFailure', () => {
  test.each<[string, string, boolean]>([
    ['ENOSPC', 'StorageUnavailable', true],
    ['EDQUOT', 'StorageUnavailable', true],
    ['EIO', 'StorageUnavailable', true],
    ['EMFILE', 'StorageUnavailable', true],
    ['ESTALE', 'StorageUnavailable', true],
    ['EACCES', 'StorageRefused', false],
    ['EPERM', 'StorageRefused', false],
    ['ENOTDIR', 'StorageRefused', false],
    ['EROFS', 'StorageRefused', false],
    ['ELOOP', 'StorageRefused', false],
    ['ENAMETOOLONG', 'StorageRefused', false],
  ])('%s becomes %s', (code, type, retried) => {
    const failure = localFailure(Object.assign(new Error(`${code}: open '/secret/path'`), { code }));
    expect(failure.type).toBe(type);
    expect(failure.retryAfterSeconds !== undefined).toBe(retried);
    expect(failure.message).not.toContain('/secret');
  });

  test('what is no error of the file system is worth a retry', () => {
    expect(localFailure(new Error('odd'))).toMatchObject({ type: 'StorageUnavailable' });
  });
});
