import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { uploadFiles, type PublishedFile, type Upload } from '../../../workers/agent/upload.ts';
import { answer, digest } from '../../infra/pods/testGateway.ts';
import { startAgentHarness, type AgentHarness } from './agentHarness.ts';

const partBytes = 10_000;
let harness: AgentHarness;
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

const upload = async (files: readonly Upload[], patienceMs = 2_000, done = new Map<number, PublishedFile>()) => {
  await uploadFiles(files, { gateway: harness.gateway, partBytes, patienceMs, done, onPart: () => undefined, onFile: () => undefined });
  return done;
};

describe('uploadFiles', () => {
  test.each([0, 1, partBytes - 1, partBytes, partBytes + 1, 5 * partBytes, 7 * partBytes + 3])(
    'a file of %d bytes arrives whole',
    async (size) => {
      const content = randomBytes(size);
      const done = await upload(await write([content]));
      expect(harness.server.output('file-0')?.bytes).toEqual(content);
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

  test('a file that is to be encrypted leaves as ciphertext, part by part the same when a part is repeated', async () => {
    const content = randomBytes(3 * partBytes);
    const files = await write([content]);
    let refusals = 0;
    harness.server.intercept = (req, res) => {
      if (req.method !== 'PUT' || (refusals += 1) > 2) return false;
      answer(res, 503, { type: 'StorageUnavailable', message: 'away', retryable: true }, { 'retry-after': '0' });
      return true;
    };
    const encryption = { recipient: '02'.repeat(33), secret: '03'.repeat(32), wrapped: '04'.repeat(129) };
    const done = new Map<number, PublishedFile>();
    const deps = { gateway: harness.gateway, partBytes, patienceMs: 2_000, done, onPart: () => undefined, onFile: () => undefined };
    await uploadFiles(files, { ...deps, encryption });
    const stored = harness.server.output('file-0')!.bytes;
    expect(stored.subarray(0, 22).toString()).toBe('age-encryption.org/v1\n');
    expect(stored.includes(content.subarray(0, 32))).toBe(false);
    expect(done.get(0)).toMatchObject({
      ...{ sizeBytes: stored.length, sha256: digest(stored) },
      plaintext: { sizeBytes: content.length, sha256: digest(content) },
    });
    expect(harness.server.problems).toEqual([]);
  });

  test('many files arrive, each once', async () => {
    const contents = Array.from({ length: 200 }, (_unused, n) => Buffer.from(`content of ${n}`));
    await upload(await write(contents));
    expect(harness.server.outputs).toHaveLength(200);
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
    expect(harness.server.output('file-0')?.bytes).toEqual(content);
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
    harness.server.outputs.length = 0;
    await upload(files, 2_000, done);
    expect(harness.server.outputs).toEqual([]);
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
