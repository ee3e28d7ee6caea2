/** Real pods of a real cluster for tests of the runtime: one namespace a file, one gateway a pod. */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { tmpdir } from 'node:os';
import { CoreV1Api, KubeConfig, type V1Pod } from '@kubernetes/client-node';
import { connectCluster, type ClusterClient } from '../../infra/pods/clusterClient.ts';
import { defaultPodSettings } from '../../infra/pods/dockerSpec.ts';
import { kubernetesPods } from '../../infra/pods/kubernetes.ts';
import type { KubernetesPodSettings } from '../../infra/pods/kubernetesSpec.ts';
import { ensureAgentImage } from '../../infra/toolchain/agentImage.ts';
import { ensureNodeAlgorithmImage } from '../../infra/toolchain/algorithmImage.ts';
import { ensureBusybox } from '../../infra/toolchain/busybox.ts';
import type { Cluster } from '../../infra/toolchain/cluster/cluster.ts';
import { startContainerEngine } from '../../infra/toolchain/containerEngine.ts';
import { createInstanceName } from '../../infra/toolchain/instanceName.ts';
import { createJobsNamespace, type JobsNamespace } from '../../infra/toolchain/jobsNamespace.ts';
import { podName } from '../../workflows/contract/ids.ts';
import type { PodRef } from '../../workflows/contract/job.ts';
import { anywhere, type PodRuntime, type PodSpec } from '../../workflows/contract/pod.ts';
import type { SuitePod, SuitePodOptions } from '../infra/pods/pods.suite.ts';
import { aPlan, TestGateway } from '../infra/pods/testGateway.ts';
import { clusterOfThisRun } from '../support/testCluster.ts';

/** What all tests of a file share. */
export interface ClusterPods {
  readonly cluster: Cluster;
  readonly namespace: JobsNamespace;
  readonly client: ClusterClient;
  readonly settings: KubernetesPodSettings;
  /** as an administrator */
  readonly core: CoreV1Api;
  readonly algorithmImage: string;
  readonly gatewayPort: number;
  readonly canaryPort: number;
  /** pods with other settings in the same namespace */
  runtime(changes?: Partial<KubernetesPodSettings>, through?: ClusterClient): PodRuntime;
  close(): Promise<void>;
}

const importImages = async (cluster: Cluster, folder: string): Promise<{ readonly agent: string; readonly algorithm: string }> => {
  const { path: busyboxPath } = await ensureBusybox();
  const engine = await startContainerEngine({ folder: path.join(folder, 'engine') });
  try {
    const { docker } = engine;
    const agent = await cluster.importImage(docker, await ensureAgentImage({ docker, busyboxPath }));
    const algorithm = await cluster.importImage(docker, await ensureNodeAlgorithmImage({ docker, busyboxPath }));
    return { agent, algorithm };
  } finally {
    await engine.close();
  }
};

const listenOn = async (host: string): Promise<Server & { readonly boundPort: number }> => {
  const server = createServer((socket) => socket.on('error', () => undefined).destroy());
  server.listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return Object.assign(server, { boundPort: address.port });
};

/** @param values further values of the chart, as `--set` takes them */
export const startClusterPods = async (values: readonly string[] = []): Promise<ClusterPods> => {
  const cluster = await clusterOfThisRun();
  const folder = await mkdtemp(path.join(tmpdir(), 'c2d-cluster-pods-'));
  const images = await importImages(cluster, folder);
  const canary = await listenOn(cluster.nodeAddress);
  const reserved = await listenOn(cluster.nodeAddress);
  const gatewayPort = reserved.boundPort;
  await new Promise((resolve) => reserved.close(resolve));
  const instance = createInstanceName();
  const gateway = { address: cluster.nodeAddress, port: gatewayPort };
  const namespace = await createJobsNamespace({ cluster, instance, gateway, values, folder, report: () => undefined });
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig);
  const client = connectCluster({ kubeconfigPath: namespace.kubeconfig, namespace: namespace.name });
  const { tmpBytes, agentMemoryBytes, agentCpu } = defaultPodSettings;
  const settings: KubernetesPodSettings = {
    ...{ instance, tmpBytes, agentMemoryBytes, agentCpu, agentImage: images.agent },
    imagePullSecrets: [],
    registryCredentials: false,
    hostUsers: true,
  };
  return {
    ...{ cluster, namespace, client, settings, gatewayPort },
    core: config.makeApiClient(CoreV1Api),
    algorithmImage: images.algorithm,
    canaryPort: canary.boundPort,
    runtime: (changes = {}, through = client) =>
      kubernetesPods({
        cluster: through,
        settings: { ...settings, ...changes },
        gatewayUrl: `http://${cluster.nodeAddress}:${gatewayPort}`,
      }),
    async close() {
      await namespace.close();
      canary.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};

/** One pod with its own gateway; only one at a time has the port that the policy allows. */
export interface ClusterPod extends SuitePod {
  readonly spec: PodSpec;
  inspect(): Promise<V1Pod>;
  /** removes the pod and closes its gateway */
  close(): Promise<void>;
}

export interface ClusterPodOptions extends SuitePodOptions {
  readonly settings?: Partial<KubernetesPodSettings>;
}

export const prepareClusterPod = async (pods: ClusterPods, options: ClusterPodOptions): Promise<ClusterPod> => {
  const { command, plan, files, spec: changes, settings } = options;
  const { cluster, namespace, core, canaryPort, gatewayPort } = pods;
  const pod: PodRef = { jobId: randomBytes(16).toString('hex'), podAttempt: 1 };
  const seal = { kind: 'canary' as const, host: cluster.nodeAddress, port: canaryPort };
  const gateway = new TestGateway(aPlan({ seal, ...plan, jobId: pod.jobId }), files, randomBytes(8).toString('hex'));
  await gateway.listen({ host: cluster.nodeAddress, port: gatewayPort });
  const runtime = pods.runtime(settings);
  const spec: PodSpec = {
    pod,
    environmentId: 'test',
    image: pods.algorithmImage,
    command: typeof command === 'string' ? ['node', '-e', command] : command,
    env: {},
    resources: { cpu: 0.2, memoryBytes: 256 * 1024 ** 2, diskBytes: 100_000_000, devices: {} },
    token: gateway.token,
    deadlineSeconds: 120,
    createSeconds: 60,
    graceSeconds: 5,
    publishSeconds: 20,
    placement: anywhere,
    filters: [],
    ...changes,
  };
  return {
    ...{ pod, gateway, runtime, spec },
    create: () => runtime.create(spec, () => undefined),
    inspect: () => core.readNamespacedPod({ namespace: namespace.name, name: podName(pod) }),
    async close() {
      await runtime.remove(pod);
      await gateway.close();
    },
  };
};

/** What {@link useClusterPods} gives. */
export interface OpenClusterPods {
  pods(): ClusterPods;
  /** A pod of the test's own: it is gone after the test. */
  aPod(options: ClusterPodOptions): Promise<ClusterPod>;
}

/** One namespace for the tests of a file; after each, no pod is left in it. Call it at the top of the file. */
export const useClusterPods = (): OpenClusterPods => {
  let pods: ClusterPods;
  const open: ClusterPod[] = [];
  beforeAll(async () => {
    pods = await startClusterPods();
  }, 180_000);
  afterEach(async () => {
    await Promise.all(open.splice(0).map((pod) => pod.close()));
    expect((await pods.core.listNamespacedPod({ namespace: pods.namespace.name })).items).toEqual([]);
  });
  afterAll(async () => {
    await pods.close();
  }, 120_000);
  return {
    pods: () => pods,
    async aPod(options) {
      const pod = await prepareClusterPod(pods, options);
      open.push(pod);
      return pod;
    },
  };
};
