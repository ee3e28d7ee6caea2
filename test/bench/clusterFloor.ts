/** The floor under a job on a cluster: the same pod made by hand, without any service, and seen by somebody who asks again and again. */

import { setTimeout as delay } from 'node:timers/promises';
import { ApiException, CoreV1Api, KubeConfig, type V1Pod } from '@kubernetes/client-node';
import { defaultPodSettings } from '../../infra/pods/dockerSpec.ts';
import { agentName, kubernetesPod } from '../../infra/pods/kubernetesSpec.ts';
import { podName } from '../../workflows/contract/ids.ts';
import { anywhere } from '../../workflows/contract/pod.ts';
import { readTimes, trivialAlgorithm } from './floor.ts';
import { clockMs } from './stage.ts';
import { trivialResources } from './trivialJob.ts';

/** What the floor is measured with. */
export interface ClusterFloorDeps {
  readonly core: CoreV1Api;
  readonly namespace: string;
  readonly agentImage: string;
  readonly image: string;
}

/** Milliseconds from the creation; `terminal` when a look finds the pod's phase to be so. */
export interface ClusterFloorTimes {
  readonly firstInstruction: number;
  readonly exit: number;
  readonly terminal: number;
  readonly removed: number;
}

const gibibyte = 1024 ** 3;
/** as often as the jobs are looked at */
const pollMs = 20;
const patienceMs = 120_000;

/** With the rights of the administrator. */
export const openCore = (kubeconfig: string): CoreV1Api => {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  return config.makeApiClient(CoreV1Api);
};

/** The pod of a job in every respect but what its two containers do: the agent waits for the algorithm, and no more. */
const barePod = ({ agentImage, image }: ClusterFloorDeps, jobId: string): V1Pod => {
  const { tmpBytes, agentMemoryBytes, agentCpu } = defaultPodSettings;
  const settings = {
    tmpBytes,
    agentMemoryBytes,
    agentCpu,
    agentImage,
    instance: 'floor',
    imagePullSecrets: [],
    registryCredentials: false,
    hostUsers: true,
  };
  const { cpu, ram, disk } = trivialResources;
  const spec = {
    pod: { jobId, podAttempt: 1 },
    ...{ environmentId: 'floor', image, command: ['node'], env: {}, token: 'none', placement: anywhere },
    resources: { cpu, memoryBytes: ram * gibibyte, diskBytes: disk * gibibyte, devices: {} },
    filters: [],
    ...{ deadlineSeconds: 600, graceSeconds: 5, createSeconds: 60, publishSeconds: 60 },
  };
  const pod = kubernetesPod(spec, settings, 'http://127.0.0.1:9');
  const busybox = '/opt/c2d/busybox';
  const waitForEnd = `until ${busybox} test -e /data/outputs/done; do ${busybox} sleep 0.02; done`;
  const tellEnd = `process.on('exit', () => require('node:fs').writeFileSync('/data/outputs/done', ''));`;
  const containers = (pod.spec?.containers ?? []).map((container) => ({
    ...container,
    command: container.name === agentName ? [busybox, 'sh', '-c', waitForEnd] : ['node', '-e', `${trivialAlgorithm} ${tellEnd}`],
  }));
  return { ...pod, spec: { ...pod.spec, containers } };
};

const look = async ({ core, namespace }: Pick<ClusterFloorDeps, 'core' | 'namespace'>, name: string): Promise<V1Pod | undefined> => {
  try {
    return await core.readNamespacedPod({ namespace, name });
  } catch (err) {
    if (err instanceof ApiException && err.code === 404) return undefined;
    throw err;
  }
};

/** Looks until the pod is as wanted. @returns the time of the answer */
const awaitPod = async (
  deps: Pick<ClusterFloorDeps, 'core' | 'namespace'>,
  name: string,
  isWanted: (pod: V1Pod | undefined) => boolean,
): Promise<number> => {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const pod = await look(deps, name);
    if (isWanted(pod)) return clockMs();
    if (performance.now() > deadline) throw new Error(`pod ${name} is ${pod?.status?.phase ?? 'gone'} after ${patienceMs / 1_000} s`);
    await delay(pollMs);
  }
};

/** Resolves with the time when the job's pod is gone. */
export const awaitPodGone = (deps: Pick<ClusterFloorDeps, 'core' | 'namespace'>, jobId: string): Promise<number> =>
  awaitPod(deps, podName({ jobId, podAttempt: 1 }), (pod) => pod === undefined);

/** Makes one pod, waits for its end and removes it. @throws Error if it did not end well */
export const measureClusterFloor = async (deps: ClusterFloorDeps, jobId: string): Promise<ClusterFloorTimes> => {
  const { core, namespace } = deps;
  const name = podName({ jobId, podAttempt: 1 });
  const body = barePod(deps, jobId);
  const startedAtMs = clockMs();
  await core.createNamespacedPod({ namespace, body });
  try {
    let phase: string | undefined;
    const terminalAtMs = await awaitPod(deps, name, (pod) => {
      phase = pod?.status?.phase;
      return phase === 'Succeeded' || phase === 'Failed';
    });
    const { firstAtMs, exitAtMs } = readTimes(await core.readNamespacedPodLog({ namespace, name, container: 'algorithm' }));
    if (phase !== 'Succeeded') throw new Error(`the bare pod is ${phase}`);
    await core.deleteNamespacedPod({ namespace, name, gracePeriodSeconds: 1 });
    const removedAtMs = await awaitPodGone(deps, jobId);
    const since = (atMs: number): number => atMs - startedAtMs;
    return { firstInstruction: since(firstAtMs), exit: since(exitAtMs), terminal: since(terminalAtMs), removed: since(removedAtMs) };
  } catch (err) {
    await core.deleteNamespacedPod({ namespace, name, gracePeriodSeconds: 0 }).catch(() => undefined);
    throw err;
  }
};
