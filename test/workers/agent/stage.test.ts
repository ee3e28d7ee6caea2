import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createProgress } from '../../../workers/agent/progress.ts';
import { stageFiles } from '../../../workers/agent/stage.ts';
import type { PlannedFile } from '../../../workers/gateway/protocol.ts';
import { answer, digest, type TestGateway } from '../../infra/pods/testGateway.ts';
import { startAgentHarness, type AgentHarness } from './agentHarness.ts';

const bytes = randomBytes(300_000);
const aFile = (changes: Partial<PlannedFile> = {}): PlannedFile => ({ n: 0, path: 'inputs/abc/0', mode: 0o644, role: 'input', ...changes });

const open: AgentHarness[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((harness) => harness.close()));
});

const prepare = async (files: readonly PlannedFile[], limits: Partial<TestGateway['plan']['limits']> = {}) => {
  const harness = await startAgentHarness({ files: [...files], limits }, new Map(files.map(({ n }) => [n, bytes])));
  open.push(harness);
  const { gateway, server, folder } = harness;
  const cancelled = new AbortController();
  const stage = () => stageFiles({ gateway, plan: server.plan, dataFolder: folder, progress: createProgress(), signal: cancelled.signal });
  return { ...harness, stage, cancelled };
};

describe('stageFiles', () => {
  test('puts every file at its place with its mode, and leaves nothing else', async () => {
    const { stage, folder } = await prepare([
      aFile({ sizeBytes: bytes.length, sha256: digest(bytes) }),
      aFile({ n: 1, path: 'transformations/algorithm', mode: 0o755, role: 'algorithm' }),
      aFile({ n: 2, path: 'ddos/abc', role: 'platform', content: Buffer.from('{}').toString('base64') }),
    ]);
    expect(await stage()).toEqual({
      files: 3,
      bytes: 2 * bytes.length + 2,
      digests: [
        { n: 0, sizeBytes: bytes.length, sha256: digest(bytes) },
        { n: 1, sizeBytes: bytes.length, sha256: digest(bytes) },
        { n: 2, sizeBytes: 2, sha256: digest(Buffer.from('{}')) },
      ],
    });
    expect(await readFile(`${folder}/inputs/abc/0`)).toEqual(bytes);
    expect((await stat(`${folder}/transformations/algorithm`)).mode & 0o777).toBe(0o755);
    expect((await stat(`${folder}/inputs/abc`)).mode & 0o777).toBe(0o755);
    expect(await readFile(`${folder}/ddos/abc`, 'utf8')).toBe('{}');
    expect((await readdir(folder)).sort()).toEqual(['ddos', 'inputs', 'transformations']);
  });

  test('goes on where a transfer broke', async () => {
    const { stage, server, folder } = await prepare([aFile({ sizeBytes: bytes.length, sha256: digest(bytes) })]);
    const ranges: (string | undefined)[] = [];
    server.intercept = (req, res) => {
      ranges.push(req.headers.range);
      if (ranges.length > 1) return false;
      res.writeHead(200, { 'content-length': String(bytes.length) });
      res.write(bytes.subarray(0, 100_000), () => res.destroy());
      return true;
    };
    expect(await stage()).toMatchObject({ digests: [{ n: 0, sha256: digest(bytes) }] });
    expect(await readFile(`${folder}/inputs/abc/0`)).toEqual(bytes);
    expect(ranges).toEqual([undefined, expect.stringMatching(/^bytes=[1-9]\d*-$/)]);
  });

  test('goes on with what an earlier life of the agent left on disk', async () => {
    const { stage, server, folder } = await prepare([aFile({ sha256: digest(bytes) })]);
    await mkdir(`${folder}/.staging`);
    await writeFile(`${folder}/.staging/0`, bytes.subarray(0, 5));
    const ranges: (string | undefined)[] = [];
    server.intercept = (req) => (ranges.push(req.headers.range), false);
    const first = await stage();
    expect(ranges).toEqual(['bytes=5-']);
    expect(await readFile(`${folder}/inputs/abc/0`)).toEqual(bytes);
    // what is there already is told as it lies there
    expect(await stage()).toEqual(first);
    expect(first.digests).toEqual([{ n: 0, sizeBytes: bytes.length, sha256: digest(bytes) }]);
    expect(ranges).toHaveLength(1);
  });

  test('begins anew when the source ignores ranges', async () => {
    const { stage, server, folder } = await prepare([aFile({ sha256: digest(bytes) })]);
    await mkdir(`${folder}/.staging`);
    await writeFile(`${folder}/.staging/0`, 'wrong beginning');
    server.intercept = (req, res) => {
      if (!req.url?.includes('/files/')) return false;
      res.end(bytes);
      return true;
    };
    await stage();
    expect(await readFile(`${folder}/inputs/abc/0`)).toEqual(bytes);
  });

  test.each<[string, PlannedFile, { readonly type: string; readonly retryable: boolean }]>([
    ['an input that is refused', aFile(), { type: 'InputUnavailable', retryable: false }],
    ['an algorithm that is refused', aFile({ role: 'algorithm' }), { type: 'AlgorithmUnavailable', retryable: false }],
  ])('fails for good on %s', async (_what, file, expected) => {
    const { stage, server } = await prepare([file]);
    server.intercept = (_req, res) => {
      answer(res, 422, { type: 'InputUnavailable', message: 'the source says 403', retryable: false });
      return true;
    };
    await expect(stage()).rejects.toMatchObject({ ...expected, message: 'the source says 403' });
  });

  test('refuses an algorithm that is not the published one', async () => {
    const { stage, folder } = await prepare([aFile({ role: 'algorithm', path: 'transformations/algorithm', sha256: 'a'.repeat(64) })]);
    await expect(stage()).rejects.toMatchObject({ type: 'AlgorithmChecksumMismatch', retryable: false });
    expect(await readdir(`${folder}/transformations`)).toEqual([]);
  });

  test('gives a silent source up for now, so that the phase may go again', async () => {
    const { stage, server } = await prepare([aFile()], { transferPatienceSeconds: 0.2 });
    server.intercept = (_req, res) => {
      answer(res, 502, { type: 'InputUnavailable', message: 'the source is away', retryable: true });
      return true;
    };
    await expect(stage()).rejects.toMatchObject({ type: 'InputUnavailable', retryable: true });
  });

  test.each([
    ['announced', aFile({ sizeBytes: bytes.length })],
    ['found out on the way', aFile()],
  ])('refuses inputs beyond the limit, %s', async (_how, file) => {
    const { stage } = await prepare([file, aFile({ n: 1, path: 'inputs/abc/1' })], { inputBytes: bytes.length + 5 });
    await expect(stage()).rejects.toMatchObject({ type: 'InputTooLarge', retryable: false });
  });

  test.each(['../x', '/etc/passwd', 'inputs/../../x', '.', '.staging/1', 'a\0b'])('writes nothing to %j', async (path) => {
    const { stage } = await prepare([aFile({ path })]);
    await expect(stage()).rejects.toMatchObject({ name: 'PhaseFailure', retryable: false });
  });

  test('stops when the job is cancelled', async () => {
    const { stage, server, cancelled } = await prepare([aFile()]);
    server.intercept = () => {
      cancelled.abort(new Error('cancelled'));
      return true;
    };
    await expect(stage()).rejects.toThrow('cancelled');
  });

  test('ends with the job', async () => {
    const { stage, server } = await prepare([aFile()]);
    server.over = true;
    await expect(stage()).rejects.toMatchObject({ name: 'JobOver' });
  });
});
