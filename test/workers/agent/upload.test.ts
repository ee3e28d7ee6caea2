import { randomBytes } from 'node:crypto';
import { appendFileSync, truncateSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { uploadFiles, type PublishedFile, type Upload } from '../../../workers/agent/upload.ts';
import { answer, digest } from '../../infra/pods/testGateway.ts';
import { startAgentHarness, type AgentHarness } from './agentHarness.ts';

const partBytes = 10_000;
let harness: AgentHarness;
const received = (n = 0): Buffer | undefined => harness.server.output(`file-${n}`)?.bytes ?? harness.server.whole(n);
const requestsOf = (n: number): readonly string[] => harness.server.requests.filter((line) => line.includes(`/outputs/${n}`));
beforeEach(async () => {
  harness = await startAgentHarness();
});
afterEach(async () => {
  await harness.close();
});

const write = async (contents: readonly Buffer[]): Promise<readonly Upload[]> =>
  Promise.all(
    contents.map(async (content, n) => {
      await writeFile(`${harness.folder}/${n}`, content);
      return { n, place: Buffer.from(`${harness.folder}/${n}`), name: `file-${n}`, type: 'output' as const };
    }),
  );

const depsWith = (done: Map<number, PublishedFile>, patienceMs = 2_000) => ({
  gateway: harness.gateway,
  partBytes,
  patienceMs,
  done,
  onPart: () => undefined,
  onFile: () => undefined,
});

const upload = async (files: readonly Upload[], patienceMs = 2_000, done = new Map<number, PublishedFile>()) => {
  await uploadFiles(files, depsWith(done, patienceMs));
  return done;
};

const uploadEncrypted = async (files: readonly Upload[]): Promise<Map<number, PublishedFile>> => {
  const encryption = { recipient: '02'.repeat(33), secret: '03'.repeat(32), wrapped: '04'.repeat(129) };
  const done = new Map<number, PublishedFile>();
  await uploadFiles(files, { ...depsWith(done), encryption });
  return done;
};

describe('uploadFiles', () => {
  test.each([0, 1, partBytes - 1, partBytes, partBytes + 1, 5 * partBytes, 7 * partBytes + 3])(
    'a file of %d bytes arrives whole',
    async (size) => {
      const content = randomBytes(size);
      const done = await upload(await write([content]));
      expect(received()).toEqual(content);
      expect(done.get(0)).toEqual({
        n: 0,
        name: 'file-0',
        type: 'output',
        sizeBytes: size,
        sha256: digest(content),
        parts: Math.ceil(size / partBytes),
      });
      expect(harness.server.problems).toEqual([]);
    },
  );

  test.each<[string, (place: string) => void, number]>([
    ['longer', (place) => appendFileSync(place, randomBytes(partBytes)), 9 * partBytes + 3],
    ['shorter', (place) => truncateSync(place, 7 * partBytes + 1), 7 * partBytes + 1],
    ['another', (place) => writeFileSync(place, randomBytes(8 * partBytes + 3), { flag: 'r+' }), 8 * partBytes + 3],
  ])('a file that becomes %s while it is read is told as what arrived', async (_what, change, sizeBytes) => {
    const files = await write([randomBytes(8 * partBytes + 3)]);
    let isFirst = true;
    harness.server.intercept = (req, res) => {
      if (!req.url?.includes('/parts/') || !isFirst) return false;
      isFirst = false;
      change(files[0]!.place.toString());
      // the part is sent again, as it was
      answer(res, 503, { type: 'StorageUnavailable', message: 'away', retryable: true }, { 'retry-after': '0' });
      return true;
    };
    const done = await upload(files);
    expect(done.get(0)).toMatchObject({ sizeBytes, sha256: digest(received()!), parts: Math.ceil(sizeBytes / partBytes) });
    expect([received()?.length, isFirst, harness.server.problems]).toEqual([sizeBytes, false, []]);
  });

  test('a file that is to be encrypted leaves as ciphertext, part by part the same when a part is repeated', async () => {
    const content = randomBytes(3 * partBytes);
    const files = await write([content]);
    let refusals = 0;
    harness.server.intercept = (req, res) => {
      if (req.method !== 'PUT' || (refusals += 1) > 2) return false;
      answer(res, 503, { type: 'StorageUnavailable', message: 'away', retryable: true }, { 'retry-after': '0' });
      return true;
    };
    const done = await uploadEncrypted(files);
    const stored = received()!;
    expect(stored.subarray(0, 22).toString()).toBe('age-encryption.org/v1\n');
    expect(stored.includes(content.subarray(0, 32))).toBe(false);
    expect(done.get(0)).toMatchObject({
      ...{ sizeBytes: stored.length, sha256: digest(stored) },
      plaintext: { sizeBytes: content.length, sha256: digest(content) },
    });
    expect(harness.server.problems).toEqual([]);
  });

  test('many small files arrive, each in one request, several at once', async () => {
    const contents = Array.from({ length: 200 }, (_unused, n) => Buffer.from(`content of ${n}`));
    let [present, most] = [0, 0];
    harness.server.intercept = async () => {
      most = Math.max(most, (present += 1));
      await new Promise((resolve) => setTimeout(resolve, 1));
      present -= 1;
      return false;
    };
    await upload(await write(contents));
    expect(contents.map((_unused, n) => received(n))).toEqual(contents);
    expect(harness.server.requests).toHaveLength(200);
    expect(most).toBeGreaterThan(8);
    expect(most).toBeLessThanOrEqual(16);
  });

  test.each([
    ['below the size of a part', partBytes - 1, ['PUT /agent/v1/outputs/0']],
    ['empty', 0, ['PUT /agent/v1/outputs/0']],
    ['as large as a part', partBytes, ['PUT /agent/v1/outputs/0/parts/0', 'POST /agent/v1/outputs/0/complete']],
  ])('a file that is %s takes as few requests as it can', async (_what, size, requests) => {
    await upload(await write([randomBytes(size)]));
    expect(requestsOf(0)).toEqual(requests);
  });

  test('a file too large for the buffers of small ones, and smaller than a part, is sent in one request', async () => {
    const content = randomBytes(300 * 1024);
    const files = await write([content]);
    const deps = { gateway: harness.gateway, patienceMs: 2_000, done: new Map(), onPart: () => undefined, onFile: () => undefined };
    await uploadFiles(files, { ...deps, partBytes: 1024 ** 2 });
    expect([received(), requestsOf(0)]).toEqual([content, ['PUT /agent/v1/outputs/0']]);
  });

  test('a gateway of an earlier release is given parts', async () => {
    harness.server.takesPartsOnly = true;
    const contents = [randomBytes(100), Buffer.alloc(0), randomBytes(2 * partBytes + 1)];
    await upload(await write(contents));
    expect(contents.map((_unused, n) => received(n))).toEqual(contents);
    expect(harness.server.problems).toEqual([]);
  });

  test('small files that are to be encrypted leave as ciphertext, each in one request', async () => {
    const content = randomBytes(1_000);
    const files = await write([content]);
    const done = await uploadEncrypted(files);
    const stored = received()!;
    expect(stored.subarray(0, 22).toString()).toBe('age-encryption.org/v1\n');
    expect(done.get(0)).toMatchObject({
      ...{ sizeBytes: stored.length, sha256: digest(stored), parts: 1 },
      plaintext: { sizeBytes: content.length, sha256: digest(content) },
    });
    expect(requestsOf(0)).toEqual(['PUT /agent/v1/outputs/0']);
  });

  test('a part that was refused for the moment is sent again', async () => {
    let refusals = 0;
    harness.server.intercept = (req, res) => {
      if (req.method !== 'PUT' || refusals >= 3) return false;
      refusals += 1;
      answer(res, 503, { type: 'StorageUnavailable', message: 'away', retryable: true }, { 'retry-after': '0' });
      return true;
    };
    const content = randomBytes(3 * partBytes);
    await upload(await write([content]));
    expect(received()).toEqual(content);
  });

  test('a final refusal ends the phase with its reason', async () => {
    harness.server.intercept = (req, res) => {
      if (req.method !== 'PUT') return false;
      answer(res, 422, { type: 'StorageRefused', message: 'no right to write', retryable: false });
      return true;
    };
    await expect(upload(await write([Buffer.from('x')]))).rejects.toMatchObject({ type: 'StorageRefused', retryable: false });
  });

  test('what was completed is not sent again', async () => {
    const files = await write([Buffer.from('a'), Buffer.from('b')]);
    const done = await upload(files);
    harness.server.requests.length = 0;
    await upload(files, 2_000, done);
    expect(harness.server.requests).toEqual([]);
  });

  test('after patience is used up the files are kept for another attempt', async () => {
    harness.server.intercept = (req, res) => {
      if (req.method !== 'PUT') return false;
      answer(res, 500, undefined);
      return true;
    };
    await expect(upload(await write([Buffer.from('x')]), 100)).rejects.toMatchObject({ type: 'StorageUnavailable', retryable: true });
  });
});
