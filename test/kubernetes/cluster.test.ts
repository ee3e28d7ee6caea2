import type { CoreV1Api, NetworkingV1Api } from '@kubernetes/client-node';
import { startCluster, connectCluster, type Cluster } from '../../infra/toolchain/cluster/cluster.ts';
import { nodeName } from '../../infra/toolchain/cluster/credentials.ts';
import {
  applyPolicy,
  importShellImage,
  makeNamespace,
  openClients,
  reaches,
  shellPod,
  startListener,
  startPod,
  waitFor,
} from './clusterScene.ts';

const name = `own-${process.pid}`;
let cluster: Cluster;
let core: CoreV1Api;
let networking: NetworkingV1Api;
let image: string;

beforeAll(async () => {
  cluster = await startCluster({ name });
  ({ core, networking } = openClients(cluster));
  image = await importShellImage(cluster);
}, 180_000);

afterAll(async () => {
  await cluster?.close();
}, 60_000);

const isNodeReady = async (): Promise<boolean> => {
  const { status } = await core.readNode({ name: nodeName });
  return status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;
};

describe('a cluster of one node', () => {
  test('runs pods that Pod Security "restricted" lets in, and refuses others', async () => {
    await makeNamespace(core, 'restricted');
    await startPod(core, 'restricted', shellPod(image, 'modest'));
    const greedy = shellPod(image, 'greedy');
    greedy.spec!.containers[0]!.securityContext = { privileged: true };
    await expect(core.createNamespacedPod({ namespace: 'restricted', body: greedy })).rejects.toMatchObject({ code: 403 });
  }, 60_000);

  test('is beside other clusters, found by its name', async () => {
    await expect(connectCluster(name)).resolves.toMatchObject({ kubeconfig: cluster.kubeconfig });
    await expect(startCluster({ name })).rejects.toThrow(/there is a cluster .* already/);
    expect(await cluster.kubectl(['get', 'nodes', '-o', 'name'])).toBe(`node/${nodeName}`);
  });

  test('takes an image of the engine once', async () => {
    expect(await importShellImage(cluster)).toBe(image);
  }, 60_000);

  test('gives ephemeral volumes that the pod can write, and takes them back', async () => {
    await makeNamespace(core, 'volumes');
    const pod = shellPod(image, 'writer', { script: 'busybox echo written > /volume/file && busybox sleep 3600' });
    pod.spec!.containers[0]!.volumeMounts = [{ name: 'volume', mountPath: '/volume' }];
    const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '10Mi' } } };
    pod.spec!.volumes = [{ name: 'volume', ephemeral: { volumeClaimTemplate: { spec } } }];
    await startPod(core, 'volumes', pod);
    await waitFor(
      async () =>
        (await cluster.kubectl(['exec', '-n', 'volumes', 'writer', '--', '/bin/busybox', 'cat', '/volume/file'])) === 'written' ||
        undefined,
    );
    await core.deleteNamespace({ name: 'volumes' });
    await waitFor(async () => ((await core.listPersistentVolume()).items.length === 0 ? true : undefined), 60_000);
  }, 120_000);
});

describe('network policies', () => {
  const namespace = 'sealed';
  let gateway: Awaited<ReturnType<typeof startListener>>;
  let canary: Awaited<ReturnType<typeof startListener>>;

  beforeAll(async () => {
    [gateway, canary] = [await startListener(cluster.nodeAddress), await startListener(cluster.nodeAddress)];
    await makeNamespace(core, namespace);
    await makeNamespace(core, 'open');
    await applyPolicy(networking, namespace, 'nothing', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
    await applyPolicy(networking, namespace, 'gateway', {
      podSelector: { matchLabels: { role: 'job' } },
      policyTypes: ['Egress'],
      egress: [{ to: [{ ipBlock: { cidr: `${cluster.nodeAddress}/32` } }], ports: [{ protocol: 'TCP', port: gateway.port }] }],
    });
  }, 60_000);

  afterAll(async () => {
    await gateway?.close();
    await canary?.close();
  });

  test('a sealed pod reaches its one address and port, and neither this machine, the node, names nor pods', async () => {
    const neighbour = await startPod(core, 'open', shellPod(image, 'neighbour', { script: 'busybox httpd -f -p 7000 -h /bin' }));
    await startPod(core, namespace, shellPod(image, 'job', { labels: { role: 'job' } }));
    await startPod(core, 'open', shellPod(image, 'free'));
    const node = (await core.readNode({ name: nodeName })).status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? '';
    const dns = cluster.serviceCidr.replace(/0\/\d+$/, '10');
    const service = cluster.serviceCidr.replace(/0\/\d+$/, '1');
    const places: readonly [string, number][] = [
      [cluster.nodeAddress, canary.port],
      [node, 6443],
      [node, 10_250],
      [dns, 53],
      [service, 443],
      [neighbour, 7000],
    ];
    expect(await reaches(cluster, [namespace, 'job'], cluster.nodeAddress, gateway.port)).toBe(true);
    // every place is there: who is not sealed reaches it
    for (const [address, port] of places)
      expect([address, port, await reaches(cluster, ['open', 'free'], address, port)]).toEqual([address, port, true]);
    for (const [address, port] of places)
      expect([address, port, await reaches(cluster, [namespace, 'job'], address, port)]).toEqual([address, port, false]);
    // a name is asked for over UDP
    const ask = (where: string, pod: string): Promise<string> =>
      cluster.kubectl([
        'exec',
        '-n',
        where,
        pod,
        '--',
        '/bin/busybox',
        'sh',
        '-c',
        'busybox timeout 3 busybox nslookup kubernetes.default.svc.cluster.local; echo "exit $?"',
      ]);
    expect(await ask('open', 'free')).toContain('exit 0');
    expect(await ask(namespace, 'job')).not.toContain('exit 0');
  }, 120_000);

  test('nobody reaches a sealed pod, and a rule lets only those in that it selects', async () => {
    const listen = 'busybox httpd -f -p 7000 -h /bin';
    const closed = await startPod(core, namespace, shellPod(image, 'closed', { script: listen }));
    const selective = await startPod(core, namespace, shellPod(image, 'selective', { labels: { role: 'server' }, script: listen }));
    await applyPolicy(networking, namespace, 'welcome', {
      podSelector: { matchLabels: { role: 'server' } },
      policyTypes: ['Ingress'],
      ingress: [
        {
          _from: [
            {
              namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'open' } },
              podSelector: { matchLabels: { guest: 'yes' } },
            },
          ],
          ports: [{ protocol: 'TCP', port: 'echo' }],
        },
      ],
    });
    await startPod(core, 'open', shellPod(image, 'guest', { labels: { guest: 'yes' } }));
    await startPod(core, 'open', shellPod(image, 'stranger'));
    expect(await reaches(cluster, ['open', 'guest'], selective, 7000)).toBe(true);
    expect(await reaches(cluster, ['open', 'stranger'], selective, 7000)).toBe(false);
    expect(await reaches(cluster, ['open', 'guest'], closed, 7000)).toBe(false);
  }, 120_000);

  test('the rules are there before the first packet of a pod', async () => {
    const script = `for i in 1 2 3; do busybox nc -w 1 ${cluster.nodeAddress} ${canary.port} < /dev/null > /dev/null 2>&1 && exit 7; done; exit 0`;
    const pods = Array.from({ length: 6 }, (_unused, index) => `eager-${index}`);
    await Promise.all(pods.map((pod) => startPod(core, namespace, shellPod(image, pod, { labels: { role: 'job' }, script }))));
    for (const pod of pods) {
      const phase = await waitFor(async () => {
        const { status } = await core.readNamespacedPod({ namespace, name: pod });
        return status?.phase === 'Succeeded' || status?.phase === 'Failed' ? status.phase : undefined;
      }, 60_000);
      expect([pod, phase]).toEqual([pod, 'Succeeded']);
    }
  }, 120_000);

  test('without enforcement the policies count for nothing, with it they count again', async () => {
    await startPod(core, namespace, shellPod(image, 'watched', { labels: { role: 'job' } }));
    await cluster.setPolicyEnforcement(false);
    expect(await reaches(cluster, [namespace, 'watched'], cluster.nodeAddress, canary.port)).toBe(true);
    await cluster.setPolicyEnforcement(true);
    expect(await reaches(cluster, [namespace, 'watched'], cluster.nodeAddress, canary.port)).toBe(false);
  }, 60_000);
});

describe('failures on demand', () => {
  test('a node whose kubelet is down is not ready within 15 seconds, and ready again when it is back', async () => {
    const began = performance.now();
    await cluster.kubelet.kill();
    await waitFor(async () => ((await isNodeReady()) ? undefined : true), 15_000);
    // eslint-disable-next-line no-console
    console.log(`not ready after ${Math.round(performance.now() - began)} ms`);
    await cluster.kubelet.start();
    await waitFor(async () => ((await isNodeReady()) ? true : undefined), 30_000);
  }, 90_000);

  test.each(['apiServer', 'etcd', 'containerd'] as const)(
    '%s can be killed and started again, and pods run on',
    async (component) => {
      const pod = `survivor-${component.toLowerCase()}`;
      await startPod(core, 'default', shellPod(image, pod));
      const { status: before } = await core.readNamespacedPod({ namespace: 'default', name: pod });
      await cluster[component].kill();
      if (component === 'apiServer') await expect(core.listNamespace()).rejects.toThrow();
      await cluster[component].start();
      await waitFor(async () => (await isNodeReady()) || undefined, 60_000);
      const { status } = await core.readNamespacedPod({ namespace: 'default', name: pod });
      expect(status?.containerStatuses?.[0]?.containerID).toBe(before?.containerStatuses?.[0]?.containerID);
      // new pods still get their policies
      await startPod(core, 'default', shellPod(image, `${pod}-next`));
    },
    120_000,
  );
});
