/** What every result store must do. An adapter's test calls this with a way to make one. */

import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import fc from 'fast-check';
import type { ResultStore, StoredFile, StoredFileRef } from '../../../infra/storage/resultStore.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export const aJobId = (): string => randomBytes(16).toString('hex');

/** Bytes that differ from part to part: no part is as long as what is repeated. */
export const someBytes = (length: number, seed = 0): Buffer => Buffer.alloc(length, Buffer.concat(blocksOf(seed)).subarray(1));

const blocksOf = (seed: number): readonly Buffer[] =>
  Array.from({ length: 200 }, (_, block) => createHash('sha512').update(`${seed}/${block}`).digest());

/** Which parts a store takes, and how much of it a test can afford. */
export interface PartRules {
  /** smallest size of all parts but the last */
  readonly partBytes: number;
  readonly largestPart: number;
  readonly largestFile: number;
  /** of properties */
  readonly runs: number;
}

const tinyParts: PartRules = { partBytes: 7, largestPart: 64, largestFile: 200, runs: 30 };

/** Uploads `bytes` in parts and completes the file. `tells`: as agents do that tell the digests of the parts. */
export const storeBytes = async (
  store: ResultStore,
  file: StoredFileRef,
  { bytes, partBytes = 7, order, tells = true }: { bytes: Buffer; partBytes?: number; order?: readonly number[]; tells?: boolean },
): Promise<StoredFile> => {
  const parts = Math.ceil(bytes.length / partBytes);
  for (const k of order ?? Array.from({ length: parts }, (_, index) => index)) {
    const piece = bytes.subarray(k * partBytes, (k + 1) * partBytes);
    await store.putPart(file, { k, offset: k * partBytes, sizeBytes: piece.length, sha256: sha256(piece) }, Readable.from([piece]));
  }
  const partDigests = Array.from({ length: parts }, (_, k) => sha256(bytes.subarray(k * partBytes, (k + 1) * partBytes)));
  const expected = { sizeBytes: bytes.length, sha256: sha256(bytes), parts, partBytes, ...(tells && { partDigests }) };
  await store.complete(file, expected);
  return expected;
};

export const describeResultStore = (name: string, makeStore: () => Promise<ResultStore>, rules = tinyParts): void => {
  const { partBytes } = rules;
  describe(`${name} as a result store`, () => {
    let store: ResultStore;
    let file: StoredFileRef;
    const text = async (ref: StoredFileRef, range?: { start: number; end: number }): Promise<string> =>
      (await buffer(await store.read(ref, range))).toString();

    beforeEach(async () => {
      store = await makeStore();
      file = { jobId: aJobId(), podAttempt: 1, n: 0 };
    });

    test('a completed file reads back as it was sent', async () => {
      await storeBytes(store, file, { bytes: Buffer.from('twenty-one characters'), partBytes });
      expect(await text(file)).toBe('twenty-one characters');
    });

    test('any bytes in any part size and order read back as they were sent', async () => {
      await fc.assert(
        fc.asyncProperty(
          ...[
            fc.integer({ min: 0, max: rules.largestFile }),
            fc.integer({ min: partBytes, max: rules.largestPart }),
            fc.nat(),
            fc.boolean(),
          ],
          async (length, size, seed, tells) => {
            const bytes = someBytes(length, seed);
            const ref = { ...file, n: seed };
            const count = Math.ceil(bytes.length / size);
            const order = Array.from({ length: count }, (_, k) => (k + seed) % count);
            await storeBytes(store, ref, { bytes, partBytes: size, order, tells });
            expect(Buffer.compare(await buffer(await store.read(ref)), bytes)).toBe(0);
          },
        ),
        { numRuns: rules.runs },
      );
    });

    test('an empty file without parts is a file', async () => {
      await storeBytes(store, file, { bytes: Buffer.alloc(0) });
      expect(await text(file)).toBe('');
    });

    test.each([
      [0, 0, 'a'],
      [2, 4, 'cde'],
      [5, 9, 'fghij'],
    ])('bytes %i to %i of a file can be read alone', async (start, end, expected) => {
      await storeBytes(store, file, { bytes: Buffer.from('abcdefghij'), partBytes });
      expect(await text(file, { start, end })).toBe(expected);
    });

    test('a repeated part and a repeated completion change nothing', async () => {
      const bytes = someBytes(partBytes + 3);
      const expected = await storeBytes(store, file, { bytes, partBytes, order: [0, 1, 0, 1, 1] });
      await store.complete(file, expected);
      const again = bytes.subarray(partBytes);
      await store.putPart(file, { k: 1, offset: partBytes, sizeBytes: 3, sha256: sha256(again) }, Readable.from([again]));
      await store.complete(file, expected);
      expect(Buffer.compare(await buffer(await store.read(file)), bytes)).toBe(0);
    });

    test('a part with another digest than it claims is worth sending again, and is', async () => {
      const bytes = Buffer.from('abcdefg');
      const part = { k: 0, offset: 0, sizeBytes: bytes.length, sha256: sha256(bytes) };
      await expect(store.putPart(file, part, Readable.from([Buffer.from('abcdefX')]))).rejects.toMatchObject({
        type: 'StorageUnavailable',
        retryAfterSeconds: expect.any(Number),
      });
      await storeBytes(store, file, { bytes });
      expect(await text(file)).toBe('abcdefg');
    });

    test('an upload that is cut fails and can be repeated', async () => {
      const bytes = Buffer.from('abcdefg');
      const cut = new Readable({ read: () => undefined });
      cut.push(bytes.subarray(0, 3));
      const attempt = store.putPart(file, { k: 0, offset: 0, sizeBytes: bytes.length, sha256: sha256(bytes) }, cut);
      setImmediate(() => cut.destroy(new Error('aborted')));
      await expect(attempt).rejects.toMatchObject({ type: 'StorageUnavailable' });
      await storeBytes(store, file, { bytes });
      expect(await text(file)).toBe('abcdefg');
    });

    test('a file with a missing part is not completed, and nobody can read it', async () => {
      const bytes = someBytes(2 * partBytes + 5);
      const missing = storeBytes(store, file, { bytes, partBytes, order: [0, 2] });
      await expect(missing).rejects.toMatchObject({ type: 'StorageUnavailable' });
      await expect(store.read(file)).rejects.toMatchObject({ type: 'StorageRefused' });
      await storeBytes(store, file, { bytes, partBytes });
      expect(Buffer.compare(await buffer(await store.read(file)), bytes)).toBe(0);
    });

    test.each([true, false])(
      'a whole file of other bytes than promised is not completed, whether parts are told (%p) or not',
      async (tells) => {
        const [sent, meant] = [someBytes(partBytes + 3, 1), someBytes(partBytes + 3, 2)];
        for (const k of [0, 1]) {
          const piece = sent.subarray(k * partBytes, (k + 1) * partBytes);
          const part = { k, offset: k * partBytes, sizeBytes: piece.length, sha256: sha256(piece) };
          await store.putPart(file, part, Readable.from([piece]));
        }
        await expect(storeBytes(store, file, { bytes: meant, partBytes, order: [], tells })).rejects.toMatchObject({
          type: 'StorageUnavailable',
        });
        await expect(store.read(file)).rejects.toMatchObject({ type: 'StorageRefused' });
        await storeBytes(store, file, { bytes: meant, partBytes, tells });
        expect(Buffer.compare(await buffer(await store.read(file)), meant)).toBe(0);
      },
    );

    test('a file of another size or digest than promised is not completed (complaint: uploads are not verified)', async () => {
      const bytes = Buffer.from('abcdefg');
      await store.putPart(file, { k: 0, offset: 0, sizeBytes: bytes.length, sha256: sha256(bytes) }, Readable.from([bytes]));
      const expected = { sizeBytes: 7, sha256: sha256(Buffer.from('other')), parts: 1, partBytes: 7 };
      await expect(store.complete(file, expected)).rejects.toMatchObject({ type: 'StorageUnavailable' });
      await expect(store.read(file)).rejects.toMatchObject({ type: 'StorageRefused' });
    });

    test('files of other attempts, jobs and numbers are kept apart', async () => {
      const others = [
        { ...file, n: 1 },
        { ...file, podAttempt: 2 },
        { ...file, jobId: aJobId() },
      ];
      await storeBytes(store, file, { bytes: Buffer.from('mine') });
      for (const [index, other] of others.entries()) await storeBytes(store, other, { bytes: Buffer.from(`other ${index}`), partBytes });
      expect(await text(file)).toBe('mine');
      expect(await Promise.all(others.map((other) => text(other)))).toEqual(['other 0', 'other 1', 'other 2']);
    });

    test('removing an attempt leaves the others, removing the job leaves nothing, and both can be repeated', async () => {
      const second = { ...file, podAttempt: 2 };
      await storeBytes(store, file, { bytes: Buffer.from('first') });
      await storeBytes(store, second, { bytes: Buffer.from('second') });
      for (const _ of [1, 2]) await store.remove({ jobId: file.jobId, podAttempt: 1 });
      await expect(store.read(file)).rejects.toMatchObject({ type: 'StorageRefused' });
      expect(await text(second)).toBe('second');
      for (const _ of [1, 2]) await store.remove({ jobId: file.jobId });
      await expect(store.read(second)).rejects.toMatchObject({ type: 'StorageRefused' });
    });

    test('many files end at once', async () => {
      const refs = Array.from({ length: 50 }, (_, n) => ({ ...file, n }));
      await Promise.all(refs.map((ref) => storeBytes(store, ref, { bytes: Buffer.from(`file ${ref.n}`), partBytes })));
      expect(await text({ ...file, n: 49 })).toBe('file 49');
    });

    test.each(['..', '../../etc', '', 'A'.repeat(32), 'a/b'])('%j is no place to store anything', async (jobId) => {
      const bytes = Buffer.from('x');
      const part = { k: 0, offset: 0, sizeBytes: bytes.length, sha256: sha256(bytes) };
      await expect(store.putPart({ ...file, jobId }, part, Readable.from([bytes]))).rejects.toMatchObject({ type: 'StorageRefused' });
      await expect(store.remove({ jobId })).rejects.toMatchObject({ type: 'StorageRefused' });
    });

    test('a healthy store says so', async () => {
      await expect(store.check()).resolves.toBeUndefined();
    });
  });
};
