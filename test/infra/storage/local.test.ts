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

  test('a part of many megabytes passes in constant memory', async () => {
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
