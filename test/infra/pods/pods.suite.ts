/** What every runtime of pods does, with the real agent and the real wrapper; only the gateway has nothing behind it. */

import type { PodRef } from '../../../workflows/contract/job.ts';
import type { PodRuntime, PodSpec } from '../../../workflows/contract/pod.ts';
import { answer, type aPlan, type Report, type TestGateway } from './testGateway.ts';

/** One pod with its own gateway. */
export interface SuitePod {
  readonly pod: PodRef;
  readonly gateway: TestGateway;
  readonly runtime: PodRuntime;
  create(): Promise<void>;
}

/** What a test decides about its pod. */
export interface SuitePodOptions {
  /** argv, or JavaScript for `node -e` */
  readonly command: readonly string[] | string | null;
  readonly plan?: Parameters<typeof aPlan>[0];
  readonly files?: ReadonlyMap<number, Buffer>;
  readonly spec?: Partial<PodSpec>;
}

/** How the algorithm ended, as its agent told it. */
export const exitOf = ({ gateway }: Pick<SuitePod, 'gateway'>): Extract<Report, { phase: 'runAlgorithm'; outcome: 'done' }>['result'] => {
  const report = gateway.report('runAlgorithm');
  if (report?.outcome !== 'done' || report.phase !== 'runAlgorithm') throw new Error(`no exit: ${JSON.stringify(report)}`);
  return report.result;
};

/** @param aPod makes a pod that is not created yet, and removes it after the test */
export const describePods = (aPod: (options: SuitePodOptions) => Promise<SuitePod>): void => {
  const runToEnd = async (options: SuitePodOptions): Promise<SuitePod> => {
    const pod = await aPod(options);
    await pod.create();
    await pod.gateway.untilReport('publishOutputs');
    return pod;
  };

  test('runs a job from plan to published outputs (complaint: a slow kubelet slows the job)', async () => {
    const pod = await runToEnd({
      command: `const fs = require('fs');
        console.log('hello'); console.error('world');
        fs.mkdirSync('/data/outputs/deep/er', { recursive: true });
        fs.writeFileSync('/data/outputs/deep/er/b.txt', fs.readFileSync('/data/inputs/abc/0', 'utf8').toUpperCase());
        fs.writeFileSync('/data/outputs/a.bin', Buffer.alloc(2_500_000, 7));`,
      files: new Map([[0, Buffer.from('input')]]),
      plan: {
        files: [
          { n: 0, path: 'inputs/abc/0', mode: 0o644, role: 'input' },
          { n: 1, path: 'ddos/abc', mode: 0o644, role: 'platform', content: Buffer.from('{}').toString('base64') },
        ],
      },
    });
    expect(pod.gateway.report('stageInputs')).toMatchObject({
      ...{ outcome: 'done', phase: 'stageInputs' },
      result: { files: 2, bytes: 7, digests: [{ n: 0 }, { n: 1 }] },
    });
    expect(exitOf(pod)).toMatchObject({ exitCode: 0, oomKilled: false, end: 'ran' });
    const published = pod.gateway.report('publishOutputs');
    expect(published).toMatchObject({
      outcome: 'done',
      result: {
        files: [
          { n: 0, name: 'a.bin', type: 'output', sizeBytes: 2_500_000, parts: 3 },
          { n: 1, name: 'deep/er/b.txt', type: 'output', sizeBytes: 5 },
          { n: 2, name: 'algorithm.log', type: 'algorithmLog', sizeBytes: 12 },
        ],
      },
    });
    expect(pod.gateway.output('deep/er/b.txt')?.bytes.toString()).toBe('INPUT');
    expect(pod.gateway.output('algorithm.log')?.bytes.toString()).toBe('hello\nworld\n');
    expect(pod.gateway.log).toBe('hello\nworld\n');
    expect(pod.gateway.events.filter((event) => event.algorithmStartedAtMs !== undefined)).toHaveLength(1);
    expect(pod.gateway.problems).toEqual([]);
  });

  test.each<[string, string | readonly string[], object]>([
    ['an exit code', 'process.exit(3)', { exitCode: 3, oomKilled: false, end: 'ran' }],
    ['a signal as 128 and its number', "process.kill(process.pid, 'SIGKILL')", { exitCode: 137, oomKilled: false, end: 'ran' }],
    [
      'an exhausted memory',
      'const all = []; for (;;) all.push(Buffer.alloc(10_000_000, 1));',
      { exitCode: 137, oomKilled: true, end: 'ran', reason: 'the algorithm exceeded its memory limit' },
    ],
    [
      'a command that is not in the image, also where busybox would know it',
      ['tar', 'x'],
      { exitCode: null, end: 'unstartable', reason: 'tar: not found in the image, or not executable', startedAtMs: null },
    ],
    [
      'a file that cannot be larger than the disk',
      "const fs = require('fs'); const f = fs.openSync('/data/outputs/f', 'w'); for (;;) fs.writeSync(f, Buffer.alloc(10_000_000));",
      { end: 'diskQuotaExceeded' },
    ],
  ])('tells %s', async (_what, command, expected) => {
    const pod = await runToEnd({ command, plan: { limits: { outputBytes: 40_000_000 } } });
    expect(exitOf(pod)).toMatchObject(expected);
    expect(pod.gateway.output('algorithm.log')).toBeDefined();
  });

  test('cuts the log of an algorithm that writes without end, and lets it go on', async () => {
    const pod = await runToEnd({
      command:
        "const line = 'x'.repeat(999) + '\\n'; require('fs').writeSync(1, line.repeat(20)); for (let i = 0; i < 5000; i++) require('fs').writeSync(1, line); process.exit(4)",
      plan: { limits: { logBytes: 100_000 } },
    });
    expect(exitOf(pod).exitCode).toBe(4);
    const log = pod.gateway.output('algorithm.log')?.bytes.toString() ?? '';
    expect(log.length).toBeLessThanOrEqual(100_000);
    expect(log).toMatch(/\n\[the log was cut here, after 99744 bytes\]\n$/);
    expect(pod.gateway.log).toBe(log);
  });

  test('publishes regular files only, also private ones, in byte order, and says what it left out', async () => {
    const pod = await runToEnd({
      command: [
        'sh',
        '-c',
        `cd /data/outputs; mkdir d; echo b > b; echo a > a; echo B > B; echo d > d/x; echo ä > ä; node -e "require('fs').writeFileSync('private', 'p', { mode: 0o600 })"
         node -e "require('fs').symlinkSync('/proc/self/environ', 'link'); require('fs').symlinkSync('/data', 'd/up')"; /.c2d/busybox mkfifo fifo; : > empty`,
      ],
    });
    expect(exitOf(pod).exitCode).toBe(0);
    const published = pod.gateway.report('publishOutputs');
    if (published?.outcome !== 'done' || published.phase !== 'publishOutputs') throw new Error('not published');
    expect(published.result.files.map(({ n, name }) => [n, name])).toEqual(
      ['B', 'a', 'b', 'd/x', 'empty', 'private', 'ä', 'algorithm.log'].map((name, n) => [n, name]),
    );
    expect(pod.gateway.output('algorithm.log')?.bytes.toString()).toContain('left out of the outputs: 3');
  });

  test('kills an algorithm that does not heed a stop once its grace has passed', async () => {
    const pod = await aPod({
      command: "process.on('SIGTERM', () => console.log('no')); console.log('up'); setInterval(() => 0, 1000);",
      spec: { graceSeconds: 1 },
    });
    await pod.create();
    await pod.gateway.until(() => pod.gateway.log.includes('up'), 'the first line');
    await pod.runtime.stop(pod.pod, 1);
    await pod.gateway.untilReport('publishOutputs');
    expect(pod.gateway.output('algorithm.log')?.bytes.toString()).toBe('up\nno\n');
  });

  test('ends an algorithm whose outputs outgrow their limit, and publishes the log only (complaint: large outputs fill the node)', async () => {
    const pod = await runToEnd({
      command:
        "require('fs').writeFileSync('/data/outputs/big', Buffer.alloc(3_000_000)); console.log('wrote'); setInterval(() => 0, 1000)",
      plan: { limits: { outputBytes: 1_000_000 } },
    });
    expect(exitOf(pod).end).toBe('diskQuotaExceeded');
    expect(pod.gateway.outputs.map(({ name }) => name)).toEqual(['algorithm.log']);
  });

  test('publishes again in the same pod after its storage refused', async () => {
    const pod = await aPod({
      command: "require('fs').writeFileSync('/data/outputs/kept', 'k')",
      plan: { limits: { transferPatienceSeconds: 0.2 } },
    });
    let refusing = true;
    pod.gateway.intercept = (req, res) => {
      if (!refusing || req.method !== 'PUT') return false;
      answer(res, 502, { type: 'StorageUnavailable', message: 'the storage is away', retryable: true });
      return true;
    };
    await pod.create();
    const failed = await pod.gateway.untilReport('publishOutputs');
    expect(failed).toEqual({
      outcome: 'failed',
      phase: 'publishOutputs',
      type: 'StorageUnavailable',
      message: 'the storage is away',
      retryable: true,
    });
    refusing = false;
    pod.gateway.attempt += 1;
    await pod.gateway.until(() => pod.gateway.report('publishOutputs')?.outcome === 'done', 'the second attempt');
    expect(pod.gateway.output('kept')?.bytes.toString()).toBe('k');
  });

  test('adopts its own pod when creation is repeated, and starts nothing twice', async () => {
    const pod = await aPod({ command: 'console.log(1); setInterval(() => 0, 1000)' });
    await Promise.all([pod.create(), pod.gateway.until(() => pod.gateway.log === '1\n', 'the first line')]);
    await pod.create();
    expect(pod.gateway.log).toBe('1\n');
    expect(await pod.runtime.list()).toEqual([{ pod: pod.pod, environmentId: 'test', createdAtMs: expect.any(Number) }]);
  });

  test('removes a running pod at once', async () => {
    const pod = await aPod({ command: "process.on('SIGTERM', () => 0); setInterval(() => 0, 1000)" });
    await pod.create();
    await pod.gateway.untilReport('stageInputs');
    await pod.runtime.remove(pod.pod);
    expect(await pod.runtime.list()).toEqual([]);
    // repeated, and for a pod that never was
    await pod.runtime.remove(pod.pod);
    await pod.runtime.stop(pod.pod, 1);
    expect(await pod.runtime.observe(pod.pod)).toMatchObject({ kind: 'lost' });
  });
};
