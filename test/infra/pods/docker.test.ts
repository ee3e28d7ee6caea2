/** Real pods: a real engine, the real agent image, the real wrapper; only the gateway has nothing behind it. */

import { rm } from 'node:fs/promises';
import { ensureNodeAlgorithmImage } from '../../../infra/toolchain/algorithmImage.ts';
import { podParts } from '../../../infra/pods/dockerSpec.ts';
import { execIn } from '../../support/signals.ts';
import { startTestRegistry, type TestRegistry } from '../../support/testRegistry.ts';
import { useEnginePods, type TestPod, type TestPodOptions } from './podHarness.ts';
import { describePods, exitOf } from './pods.suite.ts';

const { harness, aPod } = useEnginePods();

const runToEnd = async (options: TestPodOptions): Promise<TestPod> => {
  const pod = await aPod(options);
  await pod.create();
  await pod.gateway.untilReport('publishOutputs');
  return pod;
};

describe('a pod', () => {
  describePods(aPod);

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
    const image = await ensureNodeAlgorithmImage({ docker: harness().docker, busyboxPath: harness().busyboxPath }, '1234:77');
    const pod = await runToEnd({ command: 'console.log(process.getuid(), process.getgid())', spec: { image } });
    expect(pod.gateway.log).toBe('1234 77\n');
  });

  test("does not start an algorithm under the agent's uid", async () => {
    const image = await ensureNodeAlgorithmImage({ docker: harness().docker, busyboxPath: harness().busyboxPath }, '64242');
    const pod = await aPod({ command: 'console.log(1)', spec: { image } });
    await pod.create();
    expect(await pod.gateway.untilReport('stageInputs')).toMatchObject({ outcome: 'failed', type: 'PodUnsealed', retryable: false });
    expect(pod.gateway.log).toBe('');
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
    expect(await pod.runtime.observe(pod.pod)).toEqual({ kind: 'alive', image: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string });
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
    expect(await execIn(harness().docker, podParts(pod.pod).algorithm, ['/.c2d/busybox', 'touch', '/tmp/go'])).toBe(0);
    await pod.gateway.untilReport('publishOutputs');
    expect(exitOf(pod)).toMatchObject(exit);
    expect(pod.gateway.output('algorithm.log')?.bytes.toString()).toBe(`up\n${log}`);
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
    expect(await pod.runtime.observe(pod.pod)).toMatchObject({ kind: 'lost', reason: 'the agent has ended' });
  });
});

describe('the runtime', () => {
  test("does not touch somebody else's container of that name", async () => {
    const pod = await aPod({ command: 'console.log(1)' });
    const name = `c2d-${pod.pod.jobId}-1-algorithm`;
    const stranger = await harness().docker.createContainer({ name, Image: harness().algorithmImage, Labels: { 'c2d.job-id': 'other' } });
    try {
      await expect(pod.create()).rejects.toMatchObject({ type: 'PodConflict' });
    } finally {
      await stranger.remove({ force: true });
    }
  });

  test('lists a pod of which only a volume is left, and removes it', async () => {
    const pod = await aPod({ command: 'console.log(1)' });
    await pod.create();
    for (const part of ['agent', 'algorithm'])
      await harness().docker.getContainer(`c2d-${pod.pod.jobId}-1-${part}`).remove({ force: true });
    expect(await pod.runtime.list()).toMatchObject([{ pod: pod.pod }]);
    expect(await pod.runtime.observe(pod.pod)).toMatchObject({ kind: 'lost' });
    await pod.runtime.remove(pod.pod);
    expect(await pod.runtime.list()).toEqual([]);
    await pod.runtime.remove(pod.pod);
    await pod.runtime.stop(pod.pod, 1);
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
      docker: new Docker({ socketPath: `${harness().folder}/away.sock` }),
      settings: { ...harness().settings, gateway: { kind: 'unixSocket', directory: harness().folder } },
    });
    await expect(away.observe(pod.pod)).rejects.toMatchObject({ type: 'RuntimeUnavailable', retryAfterSeconds: 5 });
  });
});

describe('an image of a private registry', () => {
  const reader = { username: 'reader', password: 'open sesame: 1' };
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startTestRegistry('127.0.0.1', harness().busyboxPath, reader);
  });
  afterAll(async () => {
    const images = await harness().docker.listImages({ filters: { reference: [`${registry.host}/*/*`] } });
    await Promise.all(images.map(({ Id }) => harness().docker.getImage(Id).remove({ force: true })));
    await registry.close();
  });

  const hello = ['sh', '-c', 'echo hello from a private image'];
  const create = async (image: string, registryCredentials?: typeof reader): Promise<TestPod> => {
    const pod = await aPod({ command: hello, spec: { image, ...(registryCredentials && { registryCredentials }) } });
    await pod.create();
    return pod;
  };

  test.each([
    ['without credentials', undefined, 'the algorithm image does not exist or is not public'],
    ['with wrong ones', { ...reader, password: 'guessed' }, 'the image registry refuses the credentials of this job'],
  ])('is not run %s, and the consumer is told', async (_what, credentials, message) => {
    const failure = await create(`${registry.name()}:1`, credentials).catch((err: unknown) => err);
    expect(failure).toMatchObject({ type: 'ImageUnavailable', retryAfterSeconds: undefined });
    expect((failure as Error).message).toContain(message);
    expect((failure as Error).message).not.toMatch(/guessed|sesame/);
  });

  test('runs with the right ones, which no container, volume or image has afterwards', async () => {
    const image = `${registry.name()}:1`;
    const pod = await create(image, reader);
    await pod.gateway.untilReport('publishOutputs');
    expect(pod.gateway.log).toBe('hello from a private image\n');
    const parts = podParts(pod.pod);
    const seen = JSON.stringify([
      await pod.inspect('agent'),
      await pod.inspect('algorithm'),
      await harness().docker.getImage(image).inspect(),
      ...(await Promise.all(Object.values(parts.volumes).map((name) => harness().docker.getVolume(name).inspect()))),
    ]);
    for (const secret of [reader.password, Buffer.from(`${reader.username}:${reader.password}`).toString('base64')])
      expect(seen).not.toContain(secret);
  });

  test('is not given to somebody else because it is on the machine already', async () => {
    const image = `${registry.name()}:1`;
    await create(image, reader);
    const { Id } = await harness().docker.getImage(image).inspect();
    await expect(create(image)).rejects.toMatchObject({ type: 'ImageUnavailable' });
    await expect(create(image, { ...reader, username: 'stranger' })).rejects.toMatchObject({ type: 'ImageUnavailable' });
    await expect(create(`localhost/c2d-private:${Id.replace('sha256:', '').slice(0, 32)}`)).rejects.toMatchObject({
      type: 'ImageUnavailable',
    });
    await create(image, reader);
  });
});
