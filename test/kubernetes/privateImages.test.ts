import { setTimeout as delay } from 'node:timers/promises';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { ensureBusybox } from '../../infra/toolchain/busybox.ts';
import { podName } from '../../workflows/contract/ids.ts';
import type { PodOutcome } from '../../workflows/contract/pod.ts';
import type { RegistryCredentials } from '../../workflows/contract/spec.ts';
import { startTestRegistry, type TestRegistry } from '../support/testRegistry.ts';
import { prepareClusterPod, startClusterPods, type ClusterPod, type ClusterPods } from './clusterPods.ts';

const reader = { username: 'reader', password: 'a-password-of-its-own' };
const settings = { registryCredentials: true };
const patienceMs = 60_000;

let pods: ClusterPods;
let registry: TestRegistry;
let image: string;
const open: ClusterPod[] = [];

beforeAll(async () => {
  pods = await startClusterPods(['jobs.registryCredentials=true']);
  registry = await startTestRegistry(pods.cluster.nodeAddress, (await ensureBusybox()).path, reader);
  await pods.cluster.trustRegistry(registry.host);
  image = `${registry.name()}:1`;
}, 180_000);

afterEach(async () => {
  for (const pod of open.splice(0)) await pod.close();
  const { items } = await pods.core.listNamespacedSecret({ namespace: pods.namespace.name });
  expect(items.filter(({ type }) => type === 'kubernetes.io/dockerconfigjson')).toEqual([]);
}, patienceMs);

afterAll(async () => {
  await registry?.close();
  await pods?.close();
}, 120_000);

const startPod = async (registryCredentials?: RegistryCredentials): Promise<ClusterPod> => {
  const spec = { image, ...(registryCredentials !== undefined && { registryCredentials }) };
  const pod = await prepareClusterPod(pods, { command: ['sh', '-c', 'echo served'], settings, spec });
  open.push(pod);
  await pod.create();
  return pod;
};

/** Waits until the pod tells which image it runs, or that it never will. */
const untilPulled = async ({ runtime, pod }: ClusterPod): Promise<PodOutcome> => {
  const giveUpAt = Date.now() + patienceMs;
  for (;;) {
    const outcome = await runtime.observe(pod);
    const isTold = (outcome.kind !== 'alive' && outcome.kind !== 'ended') || outcome.image !== undefined;
    if (isTold || Date.now() > giveUpAt) return outcome;
    await delay(100);
  }
};

describe('an image of a private registry', () => {
  test(
    'runs with the credentials of its job, which nobody gets to see and which go with the pod',
    async () => {
      const started = await startPod(reader);
      const digest = registry.digestOf(image.slice(0, -':1'.length));
      expect(await untilPulled(started)).toMatchObject({ image: expect.stringContaining(digest) });
      const name = podName(started.pod);
      const asOrchestrator = new KubeConfig();
      asOrchestrator.loadFromFile(pods.namespace.kubeconfig);
      const core = asOrchestrator.makeApiClient(CoreV1Api);
      const namespace = pods.namespace.name;
      await expect(core.readNamespacedSecret({ namespace, name })).rejects.toMatchObject({ code: 403 });
      await expect(core.listNamespacedSecret({ namespace })).rejects.toMatchObject({ code: 403 });
      expect(JSON.stringify(await started.inspect())).not.toContain(reader.password);
    },
    2 * patienceMs,
  );

  test.each([
    ['wrong credentials', { ...reader, password: 'another' }, /credentials/],
    ['none, although the node has the image by now', undefined, /does not exist or is not public/],
  ])(
    'is refused to a job with %s',
    async (_name, credentials, message) => {
      const outcome = await untilPulled(await startPod(credentials));
      expect(outcome).toMatchObject({ kind: 'failed', type: 'ImageUnavailable', message: expect.stringMatching(message) });
      expect(JSON.stringify(outcome)).not.toContain('another');
    },
    2 * patienceMs,
  );
});
