/** Pods of a real cluster: what every runtime does, and what only a scheduler, a kubelet and an administrator do. */

import { randomBytes } from 'node:crypto';
import { connectCluster } from '../../infra/pods/clusterClient.ts';
import { kubernetesPods } from '../../infra/pods/kubernetes.ts';
import { kubernetesPod } from '../../infra/pods/kubernetesSpec.ts';
import { podName } from '../../workflows/contract/ids.ts';
import type { PodOutcome } from '../../workflows/contract/pod.ts';
import { describePods, exitOf } from '../infra/pods/pods.suite.ts';
import { useClusterPods, type ClusterPod, type ClusterPodOptions } from './clusterPods.ts';
import { openWay } from './clusterWay.ts';

const { pods, aPod } = useClusterPods();

const sleeping = "console.log('up'); setInterval(() => 0, 1000);";

const aRunningPod = async (options: Partial<ClusterPodOptions> = {}): Promise<ClusterPod> => {
  const pod = await aPod({ command: sleeping, ...options });
  await pod.create();
  await pod.gateway.until(() => pod.gateway.log.includes('up'), 'the first line');
  return pod;
};

/** Looks until an outcome is as wanted. */
const untilOutcome = async (
  { runtime, pod }: ClusterPod,
  isWanted: (outcome: PodOutcome) => boolean,
  patienceMs = 30_000,
): Promise<PodOutcome> => {
  const giveUpAt = Date.now() + patienceMs;
  for (;;) {
    const outcome = await runtime.observe(pod);
    if (isWanted(outcome) || Date.now() > giveUpAt) return outcome;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};

const isNotAlive = ({ kind }: PodOutcome): boolean => kind !== 'alive';

describe('a pod', () => {
  describePods(aPod);

  test('is sealed: nothing but the gateway answers, no root, inputs read-only, nothing of the agent or the cluster in its environment', async () => {
    const pod = await aPod({
      command: `const fs = require('fs'); const net = require('net');
        const attempt = (work) => { try { work(); return 'allowed'; } catch (err) { return err.code; } };
        const reach = (host, port) => new Promise((resolve) => { const s = net.connect({ host, port }); s.setTimeout(700, () => { s.destroy(); resolve('silent'); });
          s.once('connect', () => { s.destroy(); resolve('reached'); }); s.once('error', (err) => resolve(err.code)); });
        (async () => {
          const [api, node, gateway, canary] = process.argv[1].split(' ');
          fs.writeFileSync('/data/outputs/seen.json', JSON.stringify({
            reached: await Promise.all([reach(api, 443), reach(node, 10250), reach(node, canary), reach('169.254.169.254', 80), reach('127.0.0.1', 53)]),
            gateway: await reach(node, gateway),
            name: await require('dns').promises.lookup('kubernetes.default.svc').then(() => 'found', (err) => err.code),
            uid: process.getuid(), gid: process.getgid(), env: Object.keys(process.env), host: require('os').hostname(),
            account: fs.existsSync('/var/run/secrets'),
            writeInput: attempt(() => fs.writeFileSync('/data/inputs/abc/0', 'x')),
            createInput: attempt(() => fs.writeFileSync('/data/inputs/new', 'x')),
            writeRoot: attempt(() => fs.writeFileSync('/x', 'x')),
            readState: attempt(() => fs.readFileSync('/.c2d/agent-state.json')),
            readBusybox: attempt(() => fs.readFileSync('/.c2d/busybox')),
            writeControl: attempt(() => fs.writeFileSync('/.c2d/stop', '')),
            killWrapper: attempt(() => process.kill(1, 'SIGKILL')),
            tmp: attempt(() => fs.writeFileSync('/tmp/x', 'x')),
            status: fs.readFileSync('/proc/self/status', 'utf8'),
          }));
        })();`,
      files: new Map([[0, Buffer.from('input')]]),
      plan: { files: [{ n: 0, path: 'inputs/abc/0', mode: 0o644, role: 'input' }] },
      spec: { env: { DIDS: '["abc"]', literal: '$(DIDS) $$ $(HOME)' } },
    });
    const { nodeAddress, serviceCidr } = pods().cluster;
    const api = serviceCidr.replace(/\d+\/\d+$/, '1');
    const command = [...(pod.spec.command ?? []), `${api} ${nodeAddress} ${pods().gatewayPort} ${pods().canaryPort}`];
    await pod.runtime.create({ ...pod.spec, command }, () => undefined);
    await pod.gateway.untilReport('publishOutputs');
    const seen = JSON.parse(pod.gateway.output('seen.json')?.bytes.toString() ?? '{}');
    expect(seen).toMatchObject({
      reached: ['silent', 'silent', 'silent', expect.stringMatching(/silent|EHOSTUNREACH|ENETUNREACH/), 'ECONNREFUSED'],
      // one port is open to the whole pod; without a token it answers nothing
      gateway: 'reached',
      name: expect.stringMatching(/^E/),
      ...{ uid: 1000, gid: 1000, host: 'c2d', account: false, tmp: 'allowed' },
      ...{
        writeInput: 'EROFS',
        createInput: 'EROFS',
        writeRoot: 'EROFS',
        readState: 'EACCES',
        readBusybox: 'EACCES',
        writeControl: 'EROFS',
      },
    });
    expect(seen.env.filter((name: string) => !['HOSTNAME', 'HOME', 'PATH'].includes(name)).sort()).toEqual(['DIDS', 'literal']);
    expect(seen.status).toMatch(/^CapEff:\s*0+$/m);
    expect(seen.status).toMatch(/^NoNewPrivs:\s*1$/m);
    expect(seen.status).toMatch(/^Seccomp:\s*2$/m);
    expect(exitOf(pod).exitCode).toBe(0);
  });

  test('passes dollar signs on as they are', async () => {
    const pod = await aPod({ command: ['sh', '-c', 'echo "$1 $mine"', 'x', '$(mine) $$ $(('], spec: { env: { mine: '$(PATH) $$x' } } });
    await pod.create();
    await pod.gateway.untilReport('publishOutputs');
    expect(pod.gateway.log).toBe('$(mine) $$ $(( $(PATH) $$x\n');
  });

  test('does not start an algorithm where an address is reachable that must not be', async () => {
    const seal = { kind: 'canary' as const, host: pods().cluster.nodeAddress, port: pods().gatewayPort };
    const pod = await aPod({ command: 'console.log(1)', plan: { seal } });
    await pod.create();
    expect(await pod.gateway.untilReport('stageInputs')).toMatchObject({ outcome: 'failed', type: 'PodUnsealed', retryable: false });
    expect(pod.gateway.log).toBe('');
  });

  test('publishes what a stopped algorithm left, and tells how it ended', async () => {
    const pod = await aRunningPod({
      command: `process.on('SIGTERM', () => { require('fs').writeFileSync('/data/outputs/last', 'l'); console.log('bye'); process.exit(5); }); ${sleeping}`,
    });
    await pod.runtime.stop(pod.pod, 5);
    expect(await pod.runtime.observe(pod.pod)).toMatchObject({ kind: 'alive', ending: 'it is being deleted' });
    const published = await pod.gateway.untilReport('publishOutputs');
    expect(pod.gateway.report('runAlgorithm')).toMatchObject({ outcome: 'exitUnknown' });
    expect(published).toMatchObject({ outcome: 'done', result: { exit: { exitCode: 5, finishedAtMs: expect.any(Number) } } });
    expect(pod.gateway.output('last')?.bytes.toString()).toBe('l');
    expect(pod.gateway.output('algorithm.log')?.bytes.toString()).toBe('up\nbye\n');
    expect(await untilOutcome(pod, isNotAlive)).toMatchObject({ kind: 'lost' });
  });

  test("somebody else's deletion is told at once; nothing is published until that is asked for, and the pod goes when it is not", async () => {
    const pod = await aRunningPod({ command: `process.on('SIGTERM', () => console.log('no')); ${sleeping}`, spec: { graceSeconds: 20 } });
    pod.gateway.attempt = 0;
    await pods().core.deleteNamespacedPod({ namespace: pods().namespace.name, name: podName(pod.pod) });
    expect(await pod.gateway.untilReport('runAlgorithm', 3_000)).toEqual({ outcome: 'exitUnknown', phase: 'runAlgorithm' });
    expect(await pod.runtime.observe(pod.pod)).toMatchObject({ kind: 'alive', ending: 'it is being deleted' });
    await pod.gateway.until(() => pod.gateway.log.includes('no'), 'TERM at the algorithm');
    expect(pod.gateway.report('publishOutputs')).toBeUndefined();
    // a kubelet does not shorten a grace that has begun, forty seconds here: the pod has to end by itself
    pod.gateway.over = true;
    const toldAtMs = Date.now();
    await pod.runtime.remove(pod.pod);
    expect(Date.now() - toldAtMs).toBeLessThan(15_000);
  });

  test('ends with its job: an agent that is told so exits, and the pod is lost', async () => {
    const pod = await aRunningPod();
    pod.gateway.over = true;
    expect(await untilOutcome(pod, isNotAlive)).toMatchObject({ kind: 'lost', reason: 'the agent has ended' });
  });

  test('is ended by the cluster when nobody else does', async () => {
    const pod = await aPod({
      command: `process.on('SIGTERM', () => undefined); ${sleeping}`,
      spec: { deadlineSeconds: 4, graceSeconds: 1, publishSeconds: 1 },
    });
    await pod.create();
    // the algorithm may be seen to end by its own deadline first: the pod is still there then
    expect(await untilOutcome(pod, ({ kind }) => kind === 'failed')).toMatchObject({ type: 'PhaseTimedOut' });
  });
});

describe('a look at a pod', () => {
  test('an image that is nowhere is told while the agent works, and the agent asks for that look', async () => {
    const pod = await aPod({ command: 'x', spec: { image: 'localhost/nothing:1' } });
    await pod.create();
    expect(await untilOutcome(pod, isNotAlive)).toMatchObject({ kind: 'failed', type: 'ImageUnavailable' });
    expect(await pod.gateway.untilReport('stageInputs')).toMatchObject({ outcome: 'failed', type: 'PodChanged', retryable: true });
  });

  test("an invalid image name is the consumer's", async () => {
    const pod = await aPod({ command: 'x', spec: { image: 'UPPER/case:1' } });
    await pod.create();
    expect(await untilOutcome(pod, isNotAlive)).toMatchObject({ kind: 'failed', type: 'ImageUnavailable' });
  });

  test('a pod without a node says what it waits for, then that it waited in vain', async () => {
    const pod = await aPod({
      command: 'x',
      spec: { createSeconds: 4, resources: { cpu: 500, memoryBytes: 1e8, diskBytes: 1e8, devices: {} } },
    });
    await pod.create();
    expect(await untilOutcome(pod, (outcome) => outcome.kind === 'alive' && outcome.waiting !== undefined)).toEqual({
      kind: 'alive',
      waiting: 'waiting for a node: Insufficient cpu',
    });
    expect(await untilOutcome(pod, isNotAlive)).toMatchObject({
      kind: 'failed',
      type: 'NoCapacity',
      message: expect.stringContaining('Insufficient cpu'),
    });
  });

  test('a device that no node has is waited for by its name', async () => {
    const pod = await aPod({
      command: 'x',
      spec: { resources: { cpu: 0.1, memoryBytes: 1e8, diskBytes: 1e8, devices: { 'example.com/gpu': 1 } } },
    });
    await pod.create();
    const outcome = await untilOutcome(pod, (seen) => seen.kind === 'alive' && seen.waiting !== undefined);
    expect(outcome).toEqual({ kind: 'alive', waiting: 'waiting for a node: Insufficient example.com/gpu' });
  });

  test('a pod deleted under our feet is lost (complaint: a killed pod hangs its job)', async () => {
    const pod = await aRunningPod();
    await pods().core.deleteNamespacedPod({ namespace: pods().namespace.name, name: podName(pod.pod), gracePeriodSeconds: 0 });
    expect(await untilOutcome(pod, isNotAlive)).toEqual({ kind: 'lost', reason: 'the pod is gone' });
  });

  test("more disk than was granted is the algorithm's doing, however its containers ended", async () => {
    const pod = await aPod({
      command: `const fs = require('fs'); for (let i = 0; i < 20; i++) fs.writeFileSync('/data/outputs/' + i, Buffer.alloc(4_000_000)); ${sleeping}`,
      plan: { limits: { outputBytes: 1_000_000_000 } },
      spec: {
        resources: { cpu: 0.2, memoryBytes: 256 * 1024 ** 2, diskBytes: 20_000_000, devices: {} },
        publishSeconds: 1,
        graceSeconds: 1,
      },
    });
    await pod.create();
    expect(await untilOutcome(pod, isNotAlive, 55_000)).toMatchObject({ kind: 'failed', type: 'OutputsTooLarge' });
  });
});

describe('the runtime', () => {
  test("does not touch somebody else's pod of that name", async () => {
    const pod = await aPod({ command: 'x' });
    const name = podName(pod.pod);
    const namespace = pods().namespace.name;
    const { metadata, ...rest } = await pods().core.createNamespacedPod({
      namespace,
      body: kubernetesPod(pod.spec, { ...pods().settings, instance: 'another' }, 'http://127.0.0.1'),
    });
    expect(rest.kind).toBe('Pod');
    await expect(pod.create()).rejects.toMatchObject({ type: 'PodConflict' });
    expect(await pod.runtime.observe(pod.pod)).toMatchObject({ kind: 'lost' });
    expect(await pod.runtime.list()).toEqual([]);
    await pod.runtime.remove(pod.pod);
    expect((await pods().core.readNamespacedPod({ namespace, name })).metadata?.uid).toBe(metadata?.uid);
    await pods().core.deleteNamespacedPod({ namespace, name, gracePeriodSeconds: 0 });
  });

  test('tells of a used-up quota, and when to come again', async () => {
    const namespace = pods().namespace.name;
    await pods().core.createNamespacedResourceQuota({ namespace, body: { metadata: { name: 'none' }, spec: { hard: { pods: '0' } } } });
    try {
      const pod = await aPod({ command: 'x' });
      const refusal = async (): Promise<unknown> =>
        pod.create().then(
          () => pod.runtime.remove(pod.pod).then(refusal),
          (err: unknown) => err,
        );
      expect(await refusal()).toMatchObject({ type: 'QuotaExceeded', retryAfterSeconds: expect.any(Number) });
    } finally {
      await pods().core.deleteNamespacedResourceQuota({ namespace, name: 'none' });
    }
  });

  test('tells of a cluster that refuses it', async () => {
    const pod = await aPod({ command: 'x' });
    const elsewhere = kubernetesPods({
      cluster: connectCluster({ kubeconfigPath: pods().namespace.kubeconfig, namespace: 'default' }),
      settings: pods().settings,
      gatewayUrl: 'http://127.0.0.1:1',
    });
    const refusal = { type: 'ClusterMisconfigured', retryAfterSeconds: 5 };
    await expect(elsewhere.create(pod.spec, () => undefined)).rejects.toMatchObject(refusal);
    await expect(elsewhere.list()).rejects.toMatchObject(refusal);
  });

  test('tells of a cluster that is away, and goes on once it is back', async () => {
    const way = await openWay(pods().namespace.kubeconfig);
    try {
      const pod = await aRunningPod();
      const runtime = pods().runtime({}, connectCluster({ kubeconfigPath: way.kubeconfig, namespace: pods().namespace.name }));
      expect(await runtime.observe(pod.pod)).toMatchObject({ kind: 'alive' });
      await way.block();
      await expect(runtime.observe(pod.pod)).rejects.toMatchObject({ type: 'RuntimeUnavailable', retryAfterSeconds: 2 });
      await way.unblock();
      expect(await runtime.observe(pod.pod)).toMatchObject({ kind: 'alive' });
    } finally {
      await way.close();
    }
  });

  test('watches: tells changes within a moment, and what happened while its connection was broken', async () => {
    const way = await openWay(pods().namespace.kubeconfig);
    const seen: { readonly jobId: string; readonly kind: string; readonly atMs: number }[] = [];
    const client = connectCluster({ kubeconfigPath: way.kubeconfig, namespace: pods().namespace.name });
    const watch = pods()
      .runtime({}, client)
      .watch?.(({ jobId }, { kind }) => void seen.push({ jobId, kind, atMs: Date.now() }));
    const untilLost = async ({ pod: { jobId } }: ClusterPod): Promise<number> => {
      const giveUpAt = Date.now() + 15_000;
      for (;;) {
        const loss = seen.find((change) => change.jobId === jobId && change.kind === 'lost');
        if (loss !== undefined) return loss.atMs;
        if (Date.now() > giveUpAt) throw new Error(`no loss among ${JSON.stringify(seen)}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const kill = async ({ pod }: ClusterPod): Promise<number> => {
      await pods().core.deleteNamespacedPod({ namespace: pods().namespace.name, name: podName(pod), gracePeriodSeconds: 0 });
      return Date.now();
    };
    try {
      const first = await aRunningPod();
      const firstKilled = await kill(first);
      expect((await untilLost(first)) - firstKilled).toBeLessThan(2_000);
      await first.close();
      const second = await aRunningPod();
      await way.block();
      await kill(second);
      expect(seen.some(({ jobId, kind }) => jobId === second.pod.jobId && kind === 'lost')).toBe(false);
      await way.unblock();
      await untilLost(second);
      expect(way.connections()).toBeGreaterThan(1);
    } finally {
      await watch?.close();
      await way.close();
    }
  });

  test('needs the rights of its service account and no others', async () => {
    const { KubeConfig, CoreV1Api } = await import('@kubernetes/client-node');
    const config = new KubeConfig();
    config.loadFromFile(pods().namespace.kubeconfig);
    const core = config.makeApiClient(CoreV1Api);
    const namespace = pods().namespace.name;
    await expect(core.listNamespacedSecret({ namespace })).rejects.toMatchObject({ code: 403 });
    await expect(core.listNode()).rejects.toMatchObject({ code: 403 });
    await expect(core.patchNamespacedPod({ namespace, name: `c2d-${randomBytes(16).toString('hex')}-1`, body: [] })).rejects.toMatchObject({
      code: 403,
    });
  });
});
