/** Real pods: a real engine, the real agent image, the real wrapper; only the gateway has nothing behind it. */

import { rm } from 'node:fs/promises';
import { ensureNodeAlgorithmImage } from '../../../infra/toolchain/algorithmImage.ts';
import { podParts } from '../../../infra/pods/dockerSpec.ts';
import { execIn } from '../../support/signals.ts';
import { preparePod, startPodHarness, type PodHarness, type TestPod, type TestPodOptions } from './podHarness.ts';
import { answer, type Report } from './testGateway.ts';

let harness: PodHarness;
const open: TestPod[] = [];

const aPod = async (options: TestPodOptions): Promise<TestPod> => {
  const pod = await preparePod(harness, options);
  open.push(pod);
  return pod;
};

const runToEnd = async (options: TestPodOptions): Promise<TestPod> => {
  const pod = await aPod(options);
  await pod.create();
  await pod.gateway.untilReport('publishOutputs');
  return pod;
};

const exitOf = (pod: TestPod): Extract<Report, { phase: 'runAlgorithm'; outcome: 'done' }>['result'] => {
  const report = pod.gateway.report('runAlgorithm');
  if (report?.outcome !== 'done' || report.phase !== 'runAlgorithm') throw new Error(`no exit: ${JSON.stringify(report)}`);
  return report.result;
};

beforeAll(async () => {
  harness = await startPodHarness();
}, 120_000);

afterEach(async () => {
  await Promise.all(open.splice(0).map((pod) => pod.close()));
  const filters = { label: [`c2d.instance=${harness.settings.instance}`] };
  expect(await harness.docker.listContainers({ all: true, filters })).toEqual([]);
  expect((await harness.docker.listVolumes({ filters })).Volumes ?? []).toEqual([]);
});

afterAll(async () => {
  await harness.close();
});

describe('a pod', () => {
  test('runs a job from plan to published outputs', async () => {
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
    expect(pod.gateway.report('stageInputs')).toEqual({ outcome: 'done', phase: 'stageInputs', result: { files: 2, bytes: 7 } });
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

  test('is sealed: no network but loopback, no root, inputs read-only, nothing of the agent in its environment', async () => {
    const pod = await runToEnd({
      command: `const fs = require('fs'); const os = require('os');
        const attempt = (work) => { try { work(); return 'allowed'; } catch (err) { return err.code; } };
        fs.writeFileSync('/data/outputs/seen.json', JSON.stringify({
          uid: process.getuid(), gid: process.getgid(), groups: process.getgroups(), interfaces: fs.readFileSync('/proc/net/dev', 'utf8').split('\\n').slice(2).map((line) => line.trim().split(':')[0]).filter(Boolean),
          env: process.env, cwd: process.cwd(),
          writeInput: attempt(() => fs.writeFileSync('/data/inputs/abc/0', 'x')),
          createInput: attempt(() => fs.writeFileSync('/data/inputs/new', 'x')),
          writeRoot: attempt(() => fs.writeFileSync('/x', 'x')),
          readState: attempt(() => fs.readFileSync('/.c2d/agent-state.json')),
          writeControl: attempt(() => fs.writeFileSync('/.c2d/stop', '')),
          killWrapper: attempt(() => process.kill(1, 'SIGKILL')),
          socket: fs.existsSync('/run/c2d'),
          tmp: attempt(() => fs.writeFileSync('/tmp/x', 'x')),
          status: fs.readFileSync('/proc/self/status', 'utf8'),
        }));`,
      files: new Map([[0, Buffer.from('input')]]),
      plan: { files: [{ n: 0, path: 'inputs/abc/0', mode: 0o644, role: 'input' }] },
      spec: { env: { DIDS: '["abc"]', secret: 's' } },
    });
    const seen = JSON.parse(pod.gateway.output('seen.json')?.bytes.toString() ?? '{}');
    expect(seen).toMatchObject({
      uid: 1000,
      gid: 1000,
      interfaces: ['lo'],
      writeInput: 'EROFS',
      createInput: 'EROFS',
      writeRoot: 'EROFS',
      readState: 'EACCES',
      writeControl: 'EROFS',
      socket: false,
      tmp: 'allowed',
    });
    expect(
      Object.keys(seen.env)
        .filter((name) => !['HOSTNAME', 'HOME', 'TERM', 'container', 'NODE_VERSION'].includes(name))
        .sort(),
    ).toEqual(['DIDS', 'PATH', 'secret']);
    expect(JSON.stringify(seen.env)).not.toContain(pod.gateway.token);
    expect(seen.status).toMatch(/^CapEff:\s*0+$/m);
    expect(seen.status).toMatch(/^NoNewPrivs:\s*1$/m);
    // the wrapper is process 1 of its namespace: a signal to it is dropped by the kernel
    expect(exitOf(pod).exitCode).toBe(0);
  });

  test("runs as the image's own user", async () => {
    const image = await ensureNodeAlgorithmImage({ docker: harness.docker, busyboxPath: harness.busyboxPath }, '1234:77');
    const pod = await runToEnd({ command: 'console.log(process.getuid(), process.getgid())', spec: { image } });
    expect(pod.gateway.log).toBe('1234 77\n');
  });

  test("does not start an algorithm under the agent's uid", async () => {
    const image = await ensureNodeAlgorithmImage({ docker: harness.docker, busyboxPath: harness.busyboxPath }, '64242');
    const pod = await aPod({ command: 'console.log(1)', spec: { image } });
    await pod.create();
    expect(await pod.gateway.untilReport('stageInputs')).toMatchObject({ outcome: 'failed', type: 'PodUnsealed', retryable: false });
    expect(pod.gateway.log).toBe('');
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

  test('goes on after its agent was killed, and a stop lets the algorithm end by itself', async () => {
    const pod = await aPod({
      command: "process.on('SIGTERM', () => { console.log('bye'); process.exit(5); }); console.log('up'); setInterval(() => 0, 1000);",
    });
    await pod.create();
    await pod.gateway.until(() => pod.gateway.log.includes('up'), 'the first line');
    const plans = (): number => pod.gateway.requests.filter((request) => request.endsWith('/plan')).length;
    process.kill((await pod.inspect('agent')).State.Pid, 'SIGKILL');
    await pod.gateway.until(() => plans() === 2, 'the second life of the agent');
    expect(await pod.runtime.observe(pod.pod)).toEqual({ kind: 'alive' });
    await pod.runtime.stop(pod.pod, 10);
    await pod.gateway.untilReport('publishOutputs');
    expect(exitOf(pod)).toMatchObject({ exitCode: 5, oomKilled: false, end: 'ran' });
    expect(exitOf(pod).startedAtMs).not.toBeNull();
    expect(pod.gateway.output('algorithm.log')?.bytes.toString()).toBe('up\nbye\n');
    expect(pod.gateway.events.map(({ sequence }) => sequence)).toEqual(
      pod.gateway.events.map(({ sequence }) => sequence).toSorted((a, b) => a - b),
    );
  });

  test.each<[string, string, object, string]>([
    ['an exit code and the last words', "console.log('last words'); process.exit(6)", { exitCode: 6, end: 'ran' }, 'last words\n'],
    [
      'an exhausted memory',
      'const all = []; for (;;) all.push(Buffer.alloc(10_000_000, 1));',
      { exitCode: 137, oomKilled: true, reason: 'the algorithm exceeded its memory limit' },
      '',
    ],
  ])('tells %s of an algorithm that ended between two lives of its agent', async (_what, code, exit, log) => {
    const pod = await aPod({
      command: `const fs = require('fs'); console.log('up'); (function wait() { if (fs.existsSync('/tmp/go')) { ${code} } setTimeout(wait, 5); })();`,
    });
    await pod.create();
    await pod.gateway.until(() => pod.gateway.log.includes('up'), 'the first line');
    process.kill((await pod.inspect('agent')).State.Pid, 'SIGKILL');
    expect(await execIn(harness.docker, podParts(pod.pod).algorithm, ['/.c2d/busybox', 'touch', '/tmp/go'])).toBe(0);
    await pod.gateway.untilReport('publishOutputs');
    expect(exitOf(pod)).toMatchObject(exit);
    expect(pod.gateway.output('algorithm.log')?.bytes.toString()).toBe(`up\n${log}`);
  });

  test('kills an algorithm that does not heed a stop once its grace has passed', async () => {
    const pod = await aPod({ command: "process.on('SIGTERM', () => console.log('no')); console.log('up'); setInterval(() => 0, 1000);" });
    await pod.create();
    await pod.gateway.until(() => pod.gateway.log.includes('up'), 'the first line');
    await pod.runtime.stop(pod.pod, 1);
    await pod.gateway.untilReport('publishOutputs');
    expect(pod.gateway.output('algorithm.log')?.bytes.toString()).toBe('up\nno\n');
    expect(await pod.runtime.observe(pod.pod)).toMatchObject({ kind: expect.stringMatching(/ended|lost/) });
  });

  test('leaves the end to the runtime when the wrapper was killed', async () => {
    const pod = await aPod({
      command: "require('fs').writeFileSync('/data/outputs/part', '1'); console.log('up'); setInterval(() => 0, 1000)",
    });
    await pod.create();
    await pod.gateway.until(() => pod.gateway.log.includes('up'), 'the first line');
    process.kill((await pod.inspect('algorithm')).State.Pid, 'SIGKILL');
    expect(await pod.gateway.untilReport('runAlgorithm')).toEqual({ outcome: 'exitUnknown', phase: 'runAlgorithm' });
    await pod.gateway.untilReport('publishOutputs');
    expect(pod.gateway.output('part')?.bytes.toString()).toBe('1');
    await expect(pod.inspect('algorithm')).resolves.toMatchObject({ State: { ExitCode: 137 } });
  });

  test('ends an algorithm whose outputs outgrow their limit, and publishes the log only', async () => {
    const pod = await runToEnd({
      command:
        "require('fs').writeFileSync('/data/outputs/big', Buffer.alloc(3_000_000)); console.log('wrote'); setInterval(() => 0, 1000)",
      plan: { limits: { outputBytes: 1_000_000 } },
    });
    expect(exitOf(pod).end).toBe('diskQuotaExceeded');
    expect(pod.gateway.outputs.map(({ name }) => name)).toEqual(['algorithm.log']);
  });

  test('ends everything at its deadline, whoever has forgotten it', async () => {
    const pod = await runToEnd({ command: 'setInterval(() => 0, 1000)', spec: { deadlineSeconds: 1 } });
    expect(exitOf(pod)).toMatchObject({ exitCode: 137, oomKilled: false });
  });

  test('outlives a restart of the gateway', async () => {
    const pod = await aPod({ command: "process.on('SIGTERM', () => process.exit(0)); console.log('up'); setInterval(() => 0, 1000);" });
    await pod.create();
    await pod.gateway.until(() => pod.gateway.log.includes('up'), 'the first line');
    await pod.gateway.close();
    await rm(pod.socketPath, { force: true });
    await pod.runtime.stop(pod.pod, 10);
    await pod.gateway.listen(pod.socketPath);
    await pod.gateway.untilReport('publishOutputs');
    expect(exitOf(pod).exitCode).toBe(0);
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

  test('ends with its job: an agent that is told so exits for good', async () => {
    const pod = await aPod({ command: 'setInterval(() => 0, 1000)' });
    await pod.create();
    await pod.gateway.untilReport('stageInputs');
    pod.gateway.over = true;
    for (;;) {
      const { State } = await pod.inspect('agent');
      if (State.Status === 'exited' || State.Status === 'stopped') {
        expect(State.ExitCode).toBe(0);
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(await pod.runtime.observe(pod.pod)).toEqual({ kind: 'lost', reason: 'the agent has ended' });
  });
});

describe('the runtime', () => {
  test('adopts its own pod when creation is repeated, and starts nothing twice', async () => {
    const pod = await aPod({ command: 'console.log(1); setInterval(() => 0, 1000)' });
    await Promise.all([pod.create(), pod.gateway.until(() => pod.gateway.log === '1\n', 'the first line')]);
    await pod.create();
    expect(pod.gateway.log).toBe('1\n');
    expect(await pod.runtime.list()).toEqual([{ pod: pod.pod, environmentId: 'test', createdAtMs: expect.any(Number) }]);
  });

  test("does not touch somebody else's container of that name", async () => {
    const pod = await aPod({ command: 'console.log(1)' });
    const name = `c2d-${pod.pod.jobId}-1-algorithm`;
    const stranger = await harness.docker.createContainer({ name, Image: harness.algorithmImage, Labels: { 'c2d.job-id': 'other' } });
    try {
      await expect(pod.create()).rejects.toMatchObject({ type: 'PodConflict' });
    } finally {
      await stranger.remove({ force: true });
    }
  });

  test('lists a pod of which only a volume is left, and removes it', async () => {
    const pod = await aPod({ command: 'console.log(1)' });
    await pod.create();
    for (const part of ['agent', 'algorithm']) await harness.docker.getContainer(`c2d-${pod.pod.jobId}-1-${part}`).remove({ force: true });
    expect(await pod.runtime.list()).toMatchObject([{ pod: pod.pod }]);
    expect(await pod.runtime.observe(pod.pod)).toMatchObject({ kind: 'lost' });
    await pod.runtime.remove(pod.pod);
    expect(await pod.runtime.list()).toEqual([]);
    await pod.runtime.remove(pod.pod);
    await pod.runtime.stop(pod.pod, 1);
  });

  test('removes a running pod at once', async () => {
    const pod = await aPod({ command: "process.on('SIGTERM', () => 0); setInterval(() => 0, 1000)" });
    await pod.create();
    await pod.gateway.untilReport('stageInputs');
    await pod.runtime.remove(pod.pod);
    expect(await pod.runtime.list()).toEqual([]);
  });

  test('tells of a local image that is not there', async () => {
    const pod = await aPod({ command: null, spec: { image: 'localhost/nothing:1' } });
    await expect(pod.create()).rejects.toMatchObject({ type: 'ImageUnavailable', retryAfterSeconds: undefined });
  });

  test('tells of an engine that cannot be reached', async () => {
    const pod = await aPod({ command: null });
    const { dockerPods } = await import('../../../infra/pods/docker.ts');
    const { default: Docker } = await import('dockerode');
    const away = dockerPods({
      docker: new Docker({ socketPath: `${harness.folder}/away.sock` }),
      settings: { ...harness.settings, gateway: { kind: 'unixSocket', directory: harness.folder } },
    });
    await expect(away.observe(pod.pod)).rejects.toMatchObject({ type: 'RuntimeUnavailable', retryAfterSeconds: 5 });
  });
});
