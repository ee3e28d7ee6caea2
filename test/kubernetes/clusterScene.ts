/** Pods that try to reach things, on a cluster of the test's own. */

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CoreV1Api, KubeConfig, NetworkingV1Api, type V1NetworkPolicySpec, type V1Pod } from '@kubernetes/client-node';
import { ensureBusybox } from '../../infra/toolchain/busybox.ts';
import type { Cluster } from '../../infra/toolchain/cluster/cluster.ts';
import { writeScratchImage } from '../../infra/toolchain/cluster/scratchImage.ts';
import { startContainerEngine } from '../../infra/toolchain/containerEngine.ts';

/** Clients with the rights of the administrator. */
export const openClients = ({ kubeconfig }: Pick<Cluster, 'kubeconfig'>) => {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  return { core: config.makeApiClient(CoreV1Api), networking: config.makeApiClient(NetworkingV1Api) };
};

/** Brings an image with a shell to the cluster by way of a container engine. @returns its name there */
export const importShellImage = async (cluster: Cluster): Promise<string> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'c2d-shell-'));
  const engine = await startContainerEngine({ folder });
  try {
    const busybox = await ensureBusybox();
    const [archive, reference] = [path.join(folder, 'shell.tar'), 'localhost/durable-c2d-test/shell:1'];
    const programs = { '/bin/busybox': busybox.path, '/bin/sh': busybox.path };
    await writeScratchImage({ reference, programs, entrypoint: ['/bin/busybox'] }, archive);
    await engine.docker.loadImage(archive);
    return await cluster.importImage(engine.docker, reference);
  } finally {
    await engine.close();
    await rm(folder, { recursive: true, force: true });
  }
};

/** A pod that Pod Security "restricted" lets in. */
export const shellPod = (
  image: string,
  name: string,
  { labels = {}, script = 'busybox sleep 3600' }: { labels?: Record<string, string>; script?: string } = {},
): V1Pod => ({
  metadata: { name, labels },
  spec: {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 1,
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: 'shell',
        image,
        imagePullPolicy: 'IfNotPresent',
        command: ['/bin/busybox', 'sh', '-c', script],
        ports: [{ name: 'echo', containerPort: 7000 }],
        securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
      },
    ],
  },
});

/** Makes a namespace whose pods are held to "restricted". */
export const makeNamespace = async (core: CoreV1Api, name: string): Promise<void> => {
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await core.createNamespace({ body: { metadata: { name, labels } } });
  // pods are refused until the namespace's account is there
  await waitFor(async () => {
    await core.readNamespacedServiceAccount({ name: 'default', namespace: name });
    return true;
  });
};

/** Starts a pod and waits until it runs, or has ended. @returns its address */
export const startPod = async (core: CoreV1Api, namespace: string, pod: V1Pod): Promise<string> => {
  await core.createNamespacedPod({ namespace, body: pod });
  return waitFor(async () => {
    const { status } = await core.readNamespacedPod({ namespace, name: pod.metadata?.name ?? '' });
    return status?.phase === 'Pending' ? undefined : status?.podIP;
  });
};

/** Applies a policy. */
export const applyPolicy = async (
  networking: NetworkingV1Api,
  namespace: string,
  name: string,
  spec: V1NetworkPolicySpec,
): Promise<void> => {
  await networking.createNamespacedNetworkPolicy({ namespace, body: { metadata: { name }, spec } });
};

/** True if a program in the pod can open a TCP connection. */
export const reaches = async (
  cluster: Cluster,
  place: readonly [namespace: string, pod: string],
  address: string,
  port: number,
): Promise<boolean> => {
  const [namespace, pod] = place;
  const script = `busybox nc -w 1 ${address} ${port} < /dev/null > /dev/null 2>&1; echo "exit $?"`;
  const text = await cluster.kubectl(['exec', '-n', namespace, pod, '--', '/bin/busybox', 'sh', '-c', script]);
  return text.includes('exit 0');
};

/** A TCP server of this machine that ends each connection at once. */
export const startListener = async (address: string): Promise<{ readonly port: number; close(): Promise<void> }> => {
  const server: Server = createTcpServer((socket) => socket.on('error', () => undefined).end('hello\n'));
  server.listen(0, address);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.close();
      await once(server, 'close');
    },
  };
};

/** Repeats until there is a result, also after failures. */
export const waitFor = async <Result>(look: () => Promise<Result | undefined>, patienceMs = 30_000): Promise<Result> => {
  const deadline = performance.now() + patienceMs;
  let problem: unknown = 'nothing was seen';
  while (performance.now() < deadline) {
    const result = await look().catch((err: unknown) => void (problem = err));
    if (result !== undefined) return result;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`not within ${patienceMs} ms: ${String(problem)}`);
};
