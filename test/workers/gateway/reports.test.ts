import { createHash } from 'node:crypto';
import type { Logger } from '../../../infra/process/logger.ts';
import { JobFailure } from '../../../workflows/contract/failures.ts';
import { closeAll, startGateway } from './harness.ts';

afterEach(closeAll);

const staged = { outcome: 'done', phase: 'stageInputs', result: { files: 2, bytes: 30 } };
const exit = { exitCode: 3, oomKilled: false, end: 'ran', reason: 'the algorithm ended with exit code 3', startedAtMs: 1, finishedAtMs: 2 };
const ran = { outcome: 'done', phase: 'runAlgorithm', result: exit };
const published = (names: readonly string[]) => ({
  outcome: 'done',
  phase: 'publishOutputs',
  result: {
    files: [
      ...names.map((name, n) => ({
        n,
        name,
        type: 'output',
        sizeBytes: 5,
        sha256: createHash('sha256').update(name).digest('hex'),
        parts: 1,
      })),
      { n: names.length, name: 'algorithm.log', type: 'algorithmLog', sizeBytes: 7, sha256: 'a'.repeat(64), parts: 1 },
    ],
  },
});
const failed = (rest: object = {}) => ({
  outcome: 'failed',
  phase: 'publishOutputs',
  type: 'StorageUnavailable',
  message: 'the result store is full',
  retryable: true,
  ...rest,
});

const unusedStore = { putPart: async () => undefined, complete: async () => undefined, putWhole: async () => undefined };

describe('POST reports', () => {
  test('a result reaches the activity that waits for it', async () => {
    const { post, temporal } = await startGateway();
    const activity = temporal.start('stageInputs/1');
    const response = await post('/reports', staged);
    expect([response.status, await response.json()]).toEqual([200, { order: 'continue' }]);
    expect(activity).toMatchObject({ state: 'completed', result: { files: 2, bytes: 30 } });
  });

  test('a report that is early by a moment is taken within the patience', async () => {
    const job = await startGateway({ deps: { clock: { now: () => 0, pause: async () => void job.temporal.start('stageInputs/1') } } });
    expect((await job.post('/reports', staged)).status).toBe(200);
    expect(job.temporal.activities.get('stageInputs/1')?.state).toBe('completed');
  });

  test('a report that is much too early is to be sent again, and is taken then', async () => {
    const { post, temporal, metrics } = await startGateway();
    temporal.start('stageInputs/1');
    const early = await post('/reports', ran);
    expect([early.status, early.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await early.json()).toMatchObject({ retryable: true });
    expect(temporal.looks).toBe(1);
    expect(await metrics.registry.metrics()).toMatch(/c2d_gateway_early_reports_total 1/);
    temporal.start('runAlgorithm/1');
    expect((await post('/reports', ran)).status).toBe(200);
    expect(temporal.activities.get('runAlgorithm/1')?.result).toEqual(exit);
  });

  test('a report whose answer got lost is taken again, once, when a later phase waits', async () => {
    const { post, temporal } = await startGateway();
    temporal.start('stageInputs/1');
    expect((await post('/reports', staged)).status).toBe(200);
    temporal.start('runAlgorithm/1');
    expect((await post('/reports', staged)).status).toBe(200);
    expect(temporal.activities.get('runAlgorithm/1')?.state).toBe('started');
  });

  test.each(['recordJob', 'deletePod'])('the last report is known to be taken while %s is pending', async (type) => {
    const { post, temporal } = await startGateway();
    temporal.start('publishOutputs/1');
    await post('/reports', published([]));
    temporal.start(type);
    expect((await post('/reports', published([]))).status).toBe(200);
  });

  test('results are told with their CIDs where their store has any, and are sealed under the names that consumers see', async () => {
    const seal = async (_attempt: unknown, files: readonly { n: number; filename: string }[]) => ({
      directory: 'directory',
      files: new Map(files.map(({ n, filename }) => [n, `cid of ${filename}`])),
    });
    const { post, temporal, ledger } = await startGateway({ deps: { store: { ...unusedStore, seal } } });
    temporal.start('publishOutputs/1');
    expect((await post('/reports', published(['a/b']))).status).toBe(200);
    expect(ledger.results).toMatchObject([
      { filename: 'a%2Fb', cid: 'cid of a%2Fb', directoryCid: 'directory' },
      { filename: 'algorithm.log', cid: 'cid of algorithm.log', directoryCid: 'directory' },
    ]);
  });

  test.each<[string, JobFailure]>([
    ['is away', new JobFailure('StorageUnavailable', 'an IPFS node cannot be reached', { retryAfterSeconds: 10 })],
    ['must be mended', new JobFailure('StorageRefused', 'an IPFS node asks for other credentials')],
  ])('a store that %s when results are sealed keeps the agent reporting, and the job says why', async (_, failure) => {
    const seal = async () => Promise.reject(failure);
    const { post, temporal, ledger } = await startGateway({ deps: { store: { ...unusedStore, seal } } });
    const activity = temporal.start('publishOutputs/1');
    const answer = await post('/reports', published([]));
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '10']);
    expect(ledger.progress).toMatchObject([{ status: 60, reason: failure.message }]);
    expect([ledger.results, activity.state]).toEqual([null, 'started']);
  });

  test('a stop that is still under way does not count as publishing taken', async () => {
    const { post, temporal } = await startGateway();
    temporal.start('stopPod');
    expect((await post('/reports', published([]))).status).toBe(503);
  });

  test('once the workflow is closed the agent is told to end', async () => {
    const { post, temporal } = await startGateway();
    temporal.open = false;
    expect((await post('/reports', ran)).status).toBe(410);
  });

  test('a report for a waiting attempt is taken: the activity is in its back-off or its queue', async () => {
    const { post, temporal } = await startGateway();
    temporal.start('stageInputs/1').state = 'backingOff';
    expect((await post('/reports', staged)).status).toBe(200);
  });

  test("the algorithm's exit code arrives as it is and the job goes on to publishing", async () => {
    const { post, temporal, ledger } = await startGateway();
    temporal.start('runAlgorithm/1');
    await post('/reports', ran);
    expect(temporal.activities.get('runAlgorithm/1')?.result).toMatchObject({ exitCode: 3 });
    expect(ledger.progress).toMatchObject([{ status: 60 }]);
  });

  test('what was staged is kept with its place and digest, and stays out of the history', async () => {
    const { post, temporal, ledger } = await startGateway();
    const activity = temporal.start('stageInputs/1');
    const digests = [{ n: 0, sizeBytes: 2, sha256: 'a'.repeat(64) }];
    expect((await post('/reports', { ...staged, result: { ...staged.result, digests } })).status).toBe(200);
    expect(activity.result).toEqual({ files: 2, bytes: 30 });
    expect(ledger.staged).toEqual([{ path: 'inputs/algoCustomData.json', role: 'platform', sizeBytes: 2, sha256: 'a'.repeat(64) }]);
  });

  test('an agent of an earlier release tells no digests', async () => {
    const { post, temporal, ledger } = await startGateway();
    temporal.start('stageInputs/1');
    expect((await post('/reports', staged)).status).toBe(200);
    expect(ledger.staged).toBeNull();
  });

  test('a digest of a file that is not planned is refused', async () => {
    const { post, temporal } = await startGateway();
    temporal.start('stageInputs/1');
    const digests = [{ n: 99, sizeBytes: 2, sha256: 'a'.repeat(64) }];
    expect((await post('/reports', { ...staged, result: { ...staged.result, digests } })).status).toBe(400);
  });

  test.each([
    ['stageInputs', 30],
    ['publishOutputs', 60],
  ])('clients read why %s has to go again', async (phase, status) => {
    const { post, temporal, ledger } = await startGateway();
    temporal.start(`${phase}/1`);
    expect((await post('/reports', failed({ phase }))).status).toBe(200);
    expect(ledger.progress).toEqual([{ jobId: expect.any(String), podAttempt: 1, status, reason: 'the result store is full' }]);
  });

  test('withheld outputs fail the job for good with the rule as its reason, and its log is listed', async () => {
    const { post, temporal, ledger } = await startGateway();
    const activity = temporal.start('publishOutputs/1');
    const withheld = 'the outputs are withheld by the output policy of environment small (maxFiles: 2)';
    const report = published([]);
    expect((await post('/reports', { ...report, result: { ...report.result, withheld } })).status).toBe(200);
    expect(activity.failures).toMatchObject([{ type: 'OutputsWithheld', message: withheld, nonRetryable: true }]);
    expect(ledger.results?.map(({ filename }) => filename)).toEqual(['algorithm.log']);
  });

  test('a job whose outputs go through filters shows so, and what they wrote is for the log of the operator only', async () => {
    const lines: unknown[] = [];
    const logger = {
      info: (...line: unknown[]) => void lines.push(line),
      warn: () => undefined,
      error: () => undefined,
    } as unknown as Logger;
    const { post, temporal, ledger, pod } = await startGateway({ deps: { logger } });
    temporal.start('runAlgorithm/1');
    expect((await post('/reports', { ...ran, filtering: true })).status).toBe(200);
    expect(temporal.activities.get('runAlgorithm/1')?.result).toEqual(exit);
    const activity = temporal.start('publishOutputs/1');
    const report = published([]);
    const log = Buffer.from('row 7 of https://data.example/table').toString('base64');
    const filters = [{ by: 'environment small', image: 'filter:1', exitCode: 126, log }];
    const withheld = 'the outputs are withheld because the filter of environment small failed (exit code 126)';
    const result = { ...report.result, withheld, withheldAs: 'FilterFailed', filters };
    expect((await post('/reports', { ...report, result })).status).toBe(200);
    expect(activity.failures).toMatchObject([{ type: 'FilterFailed', message: withheld, nonRetryable: true }]);
    expect(activity.failures[0]?.category).not.toBe('BENIGN');
    expect(ledger.progress.map(({ status }) => status)).toEqual([50, 60]);
    const seen = { ...pod, filter: 'environment small', exitCode: 126, output: 'row 7 of <url removed>' };
    expect(lines).toEqual([[seen, 'a filter of outputs has ended']]);
    expect(ledger.filters).toEqual([{ by: 'environment small', image: 'filter:1', exitCode: 126 }]);
    expect(JSON.stringify([activity.failures, ledger.progress, ledger.results])).not.toContain('row 7');
  });

  test('an unknown exit makes the next attempt ask the runtime at once', async () => {
    const { post, temporal } = await startGateway();
    const activity = temporal.start('runAlgorithm/1');
    expect((await post('/reports', { outcome: 'exitUnknown', phase: 'runAlgorithm' })).status).toBe(200);
    expect(activity.failures[0]).toMatchObject({ type: 'PodChanged', nonRetryable: false, nextRetryDelay: '1ms' });
    // the next attempt finds it, and waits a moment for a runtime that has not seen the end yet
    expect(activity.heartbeats).toEqual([{ exitUnknown: true, heardAtMs: expect.any(Number) as number }]);
  });

  test('an agent that asks for a look gets one at once, and no reason of the job is overwritten', async () => {
    const { post, temporal, ledger } = await startGateway();
    const activity = temporal.start('stageInputs/1');
    const asked = {
      outcome: 'failed',
      phase: 'stageInputs',
      type: 'PodChanged',
      message: 'the algorithm has not begun yet',
      retryable: true,
    };
    expect((await post('/reports', asked)).status).toBe(200);
    expect(activity.failures[0]).toMatchObject({ type: 'PodChanged', nonRetryable: false, nextRetryDelay: '1ms' });
    expect(ledger.progress).toEqual([]);
  });

  test.each([
    [true, 'backingOff'],
    [false, 'failed'],
  ])('a failure that is retryable: %s leaves the activity %s', async (retryable, state) => {
    const { post, temporal } = await startGateway();
    const activity = temporal.start('publishOutputs/1');
    expect((await post('/reports', failed({ retryable }))).status).toBe(200);
    expect(activity).toMatchObject({ state, failures: [{ type: 'StorageUnavailable', message: 'the result store is full' }] });
  });

  test('a failure whose answer got lost is not told twice', async () => {
    const { post, temporal } = await startGateway();
    const activity = temporal.start('publishOutputs/1');
    for (const _ of [1, 2]) expect((await post('/reports', failed())).status).toBe(200);
    expect(activity.failures).toHaveLength(1);
  });

  test('a failure for an attempt that has not started is sent again', async () => {
    const { post, temporal } = await startGateway();
    temporal.start('publishOutputs/1').state = 'scheduled';
    expect((await post('/reports', failed())).status).toBe(503);
  });

  test('a failure of an unknown name gets the name of its phase, and URLs and tokens are taken out of its text', async () => {
    const { post, temporal } = await startGateway();
    const activity = temporal.start('stageInputs/1');
    await post(
      '/reports',
      failed({ phase: 'stageInputs', type: 'Surprise', message: 'at https://data.example/?sig=1 with Bearer abc.def' }),
    );
    expect(activity.failures[0]).toMatchObject({ type: 'InputUnavailable' });
    expect(activity.failures[0]?.message).not.toMatch(/data\.example|abc\.def/);
  });

  test('results are listed before the workflow goes on: outputs by the bytes of their names, then the log (complaint: result retrieval unsuccessful, log missing)', async () => {
    const { post, temporal, ledger } = await startGateway();
    temporal.start('publishOutputs/1');
    const names = ['b', 'a/b', 'a%2Fb', 'a', 'Z', 'ä', '../../etc/passwd', 'line\nbreak', 'back\\slash', 'algorithm.log'];
    expect((await post('/reports', published(names))).status).toBe(200);
    expect(ledger.results?.map(({ filename }) => filename)).toEqual([
      '..%2F..%2Fetc%2Fpasswd',
      'Z',
      'a',
      'a%252Fb',
      'a%2Fb',
      'algorithm.log',
      'b',
      'back%5Cslash',
      'line%0Abreak',
      'ä',
      'algorithm.log',
    ]);
    expect(ledger.results?.map(({ index }) => index)).toEqual([...Array(11).keys()]);
    expect(ledger.results?.at(-1)).toMatchObject({ type: 'algorithmLog', n: 10, filesize: 7 });
    expect(temporal.activities.get('publishOutputs/1')?.result).toEqual({ files: 11, bytes: 57 });
  });

  test('no outputs at all is a valid result (complaint: missing outputs hang the job)', async () => {
    const { post, temporal, ledger } = await startGateway();
    temporal.start('publishOutputs/1');
    await post('/reports', published([]));
    expect(ledger.results).toHaveLength(1);
  });

  test('ten thousand results fit into one report', async () => {
    const { post, temporal, ledger } = await startGateway();
    temporal.start('publishOutputs/1');
    const names = Array.from({ length: 10_000 }, (_, n) => `folder/${'x'.repeat(200)}/${n}`);
    expect((await post('/reports', published(names))).status).toBe(200);
    expect(ledger.results).toHaveLength(10_001);
  });

  test('two files under one number are refused', async () => {
    const { post, temporal } = await startGateway();
    temporal.start('publishOutputs/1');
    const report = published(['a', 'b']);
    report.result.files.forEach((file) => (file.n = 0));
    expect((await post('/reports', report)).status).toBe(400);
  });
});

describe('GET phases/{phase}/attempt', () => {
  const clock = (onPause: () => void) => {
    let now = 0;
    return { now: () => now, pause: async (ms: number) => ((now += ms), onPause()) };
  };

  test('an attempt that runs is told at once', async () => {
    const { call, temporal } = await startGateway();
    temporal.start('publishOutputs/1', 5_000);
    expect(await (await call('/phases/publishOutputs/attempt')).json()).toEqual({ startedAtMs: 5_000 });
  });

  test('after a failure the next attempt is waited for, and told by its start', async () => {
    const job = await startGateway({ deps: { clock: clock(() => void job.temporal.start('publishOutputs/1', 9_000)) } });
    const activity = job.temporal.start('publishOutputs/1', 5_000);
    activity.state = 'backingOff';
    expect(await (await job.call('/phases/publishOutputs/attempt?after=5000')).json()).toEqual({ startedAtMs: 9_000 });
  });

  test('the wait ends after 25 s without an answer, and the agent asks again', async () => {
    let waitedMs = 0;
    const pauses = { now: () => waitedMs, pause: async (ms: number) => void (waitedMs += ms) };
    const { call, temporal } = await startGateway({ deps: { clock: pauses } });
    temporal.start('publishOutputs/1', 5_000);
    expect((await call('/phases/publishOutputs/attempt?after=5000')).status).toBe(204);
    expect(waitedMs).toBeGreaterThan(20_000);
    expect(waitedMs).toBeLessThanOrEqual(25_000);
  });

  test('the wait ends when the pod is being removed, though its job goes on in another one', async () => {
    const job = await startGateway();
    job.temporal.start('deletePod/x');
    expect((await job.call('/phases/publishOutputs/attempt')).status).toBe(410);
  });

  test('the wait ends when the workflow does', async () => {
    const job = await startGateway({ deps: { clock: clock(() => void (job.temporal.open = false)) } });
    job.temporal.start('publishOutputs/1').state = 'backingOff';
    expect((await job.call('/phases/publishOutputs/attempt?after=1')).status).toBe(410);
  });
});
