import { closeAll, startGateway } from './harness.ts';

afterEach(closeAll);

const progress = (rest: object = {}) => ({
  phase: 'stageInputs',
  filesDone: 1,
  filesTotal: 2,
  bytesDone: 1024 ** 2,
  bytesTotal: null,
  ...rest,
});
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('POST events', () => {
  test('progress becomes the heartbeat of its phase and what clients read', async () => {
    const { post, temporal, ledger } = await startGateway();
    const activity = temporal.start('stageInputs/1');
    expect(await (await post('/events', { sequence: 1, progress: progress() })).json()).toEqual({ order: 'continue' });
    expect(activity.heartbeats).toEqual([{ ...progress(), heardAtMs: expect.any(Number) }]);
    expect(ledger.progress).toMatchObject([{ status: 30, podAttempt: 1, reason: 'staging inputs: 1 of 2 files, 1.0 MiB' }]);
  });

  test.each([
    ['stageInputs', 30],
    ['runAlgorithm', 40],
    ['publishOutputs', 60],
  ])('progress of %s shows status %i', async (phase, status) => {
    const { post, ledger } = await startGateway();
    await post('/events', { sequence: 1, progress: progress({ phase }) });
    expect(ledger.progress).toMatchObject([{ status }]);
  });

  test("the algorithm's start is told as status 40 with its time", async () => {
    const { post, ledger } = await startGateway();
    await post('/events', { sequence: 1, algorithmStartedAtMs: 1234 });
    expect(ledger.progress).toMatchObject([{ status: 40, algorithmStartedAtMs: 1234 }]);
  });

  test('pieces of the log are stored by offset; a repeated request changes nothing', async () => {
    const { post, ledger } = await startGateway();
    const message = {
      sequence: 1,
      logs: [
        { offset: 0, bytes: base64('hello ') },
        { offset: 6, bytes: base64('world') },
      ],
    };
    for (const _ of [1, 2]) expect((await post('/events', message)).status).toBe(200);
    expect([...ledger.log]).toEqual([
      [0, 'hello '],
      [6, 'world'],
    ]);
  });

  test('a phase that is being cancelled is told to stop, also when the order got lost', async () => {
    const { post, temporal } = await startGateway();
    temporal.start('runAlgorithm/1').state = 'cancelRequested';
    for (const _ of [1, 2]) {
      const response = await post('/events', { sequence: 1, progress: progress({ phase: 'runAlgorithm' }) });
      expect(await response.json()).toEqual({ order: 'stop' });
    }
  });

  test('a heartbeat that finds nothing proves nothing', async () => {
    const { post } = await startGateway();
    expect(await (await post('/events', { sequence: 1, progress: progress() })).json()).toEqual({ order: 'continue' });
  });

  test('an algorithm that writes a lot does not flood Temporal, and each phase begins with a sign of life (complaint: the workflow server is flooded)', async () => {
    let now = 0;
    const { post, temporal, ledger } = await startGateway({ deps: { clock: { now: () => now, pause: async () => undefined } } });
    const [stage, run] = [temporal.start('stageInputs/1'), temporal.start('runAlgorithm/1')];
    for (let i = 0; i < 20; i++) await post('/events', { sequence: i, progress: progress(), logs: [{ offset: i, bytes: base64('x') }] });
    await post('/events', { sequence: 21, progress: progress({ phase: 'runAlgorithm' }) });
    expect([stage.heartbeats.length, run.heartbeats.length, ledger.log.size]).toEqual([1, 1, 20]);
    now = 2_000;
    await post('/events', { sequence: 22, progress: progress() });
    expect(stage.heartbeats).toHaveLength(2);
  });

  test('while the ledger is away the sign of life still arrives, the agent repeats, and nothing of the error is told', async () => {
    const { post, temporal, ledger } = await startGateway();
    const activity = temporal.start('stageInputs/1');
    ledger.broken = true;
    const message = { sequence: 1, progress: progress(), logs: [{ offset: 0, bytes: base64('kept') }] };
    const response = await post('/events', message);
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await response.text()).not.toMatch(/postgres|secret/);
    expect(activity.heartbeats).toHaveLength(1);
    ledger.broken = false;
    expect((await post('/events', message)).status).toBe(200);
    expect(ledger.log.get(0)).toBe('kept');
  });
});
