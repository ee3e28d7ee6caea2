/** Pods in one namespace of a Kubernetes cluster: one object per job. */

import { lookup } from 'node:dns/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { V1Pod } from '@kubernetes/client-node';
import { jobLabel, podName } from '../../workflows/contract/ids.ts';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { PodRef } from '../../workflows/contract/job.ts';
import type { ListedPod, PodRuntime, PodSpec } from '../../workflows/contract/pod.ts';
import type { ClusterClient } from './clusterClient.ts';
import { withImage } from './imageId.ts';
import { imageIdOf, isNodeSilent, kubernetesOutcome } from './kubernetesOutcome.ts';
import { kubernetesPod, pullSecret, type KubernetesPodSettings } from './kubernetesSpec.ts';
import { timeOf } from './kubernetesTime.ts';
import { watchKubernetesPods } from './kubernetesWatch.ts';
import { areOurs, instanceLabel, listedPodOf } from './podLabels.ts';

/** What {@link kubernetesPods} works with. */
export interface KubernetesPodsDeps {
  readonly cluster: ClusterClient;
  readonly settings: KubernetesPodSettings;
  /** where agents find the gateway; its host is looked up for every pod, because pods look nothing up */
  readonly gatewayUrl: string;
  /** times of a removal, shorter in tests */
  readonly removal?: RemovalTimes;
}

/** How long a removal waits, in seconds. */
export interface RemovalTimes {
  /** between TERM and KILL for whatever still runs: the job is over by then */
  readonly graceSeconds: number;
  /** after which a pod of a node that does not answer is given up; its containers can report nothing any more */
  readonly forceSeconds: number;
  /** after which the removal fails, to be tried again */
  readonly giveUpSeconds: number;
}

const defaultRemoval: RemovalTimes = { graceSeconds: 1, forceSeconds: 10, giveUpSeconds: 120 };

/**
 * Only pods that carry this instance's label are ever seen, adopted or removed. Secrets are not seen at all: those of a pod
 * go by its name.
 */
export const kubernetesPods = (deps: KubernetesPodsDeps): PodRuntime => {
  const { cluster, settings, removal = defaultRemoval } = deps;
  const labelSelector = `${instanceLabel}=${settings.instance},${jobLabel}`;
  const readOurs = async (pod: PodRef): Promise<V1Pod | undefined> => {
    const found = await cluster.read(podName(pod));
    return found?.metadata?.labels?.[instanceLabel] === settings.instance ? found : undefined;
  };
  return {
    create: (spec, onProgress) => createPod(deps, spec, onProgress),
    async observe(pod) {
      const found = await readOurs(pod);
      return withImage(kubernetesOutcome(found, Date.now()), imageIdOf(found));
    },
    /** A graceful deletion: the pod itself carries its grace, and the agent ends the algorithm within it and publishes. */
    async stop(pod) {
      const found = await readOurs(pod);
      if (found === undefined || found.metadata?.deletionTimestamp !== undefined) return;
      await cluster.remove(podName(pod), found.metadata?.uid ?? '');
    },
    async remove(pod) {
      const secretGone = settings.registryCredentials ? cluster.removeSecret(podName(pod)) : Promise.resolve();
      await Promise.all([removePod(cluster, pod, { readOurs, removal }), secretGone]);
    },
    async list() {
      const { pods } = await cluster.list(labelSelector);
      return pods.flatMap(({ metadata }): ListedPod[] => {
        const listed = listedPodOf(metadata?.labels ?? {}, timeOf(metadata?.creationTimestamp));
        return listed === undefined ? [] : [listed];
      });
    },
    watch: (onChange) => watchKubernetesPods({ cluster, labelSelector, onChange }),
  };
};

/**
 * A pod of this name that is ours is adopted, also one that is being deleted: an observation calls it lost, and its
 * successor has another name and another token. Made anew under the same name, two agents would speak for one attempt.
 */
const createPod = async (
  { cluster, settings, gatewayUrl }: KubernetesPodsDeps,
  spec: PodSpec,
  onProgress: (line: string) => void,
): Promise<void> => {
  onProgress('handing the pod to the cluster');
  await createPullSecret({ cluster, settings }, spec);
  const body = kubernetesPod(spec, settings, await withAddress(gatewayUrl));
  if ((await cluster.create(body)) !== null) return;
  const found = await cluster.read(podName(spec.pod));
  if (found === undefined) {
    throw new JobFailure('RuntimeUnavailable', 'a pod of this name was being removed just now; it is tried again', {
      retryAfterSeconds: 1,
    });
  }
  if (!areOurs(found.metadata?.labels, body.metadata?.labels ?? {})) {
    throw new JobFailure('PodConflict', `${podName(spec.pod)} exists already and does not belong to this job`);
  }
};

/** It is there before the pod: a node that looks for it in vain would ask the registry without it. */
const createPullSecret = async ({ cluster, settings }: Pick<KubernetesPodsDeps, 'cluster' | 'settings'>, spec: PodSpec): Promise<void> => {
  const secret = pullSecret(spec, settings);
  if (secret === undefined) return;
  if (!settings.registryCredentials) {
    throw new JobFailure(
      'ClusterMisconfigured',
      'private image registries are offered here by the API alone; the operator must set C2D_REGISTRY_CREDENTIALS for all processes',
    );
  }
  await cluster.createSecret(secret);
};

/** The gateway's URL with an address for its name. */
const withAddress = async (gatewayUrl: string): Promise<string> => {
  const url = new URL(gatewayUrl);
  try {
    const { address, family } = await lookup(url.hostname.replace(/^\[|\]$/g, ''));
    url.hostname = family === 6 ? `[${address}]` : address;
  } catch {
    throw new JobFailure('RuntimeUnavailable', 'the name of the gateway cannot be looked up; it is tried again', { retryAfterSeconds: 5 });
  }
  return url.origin;
};

interface Removal {
  readonly readOurs: (pod: PodRef) => Promise<V1Pod | undefined>;
  readonly removal: RemovalTimes;
}

/** Containers always get their chance to end; only a node that does not answer is not waited for. */
const removePod = async (cluster: ClusterClient, pod: PodRef, { readOurs, removal }: Removal): Promise<void> => {
  const startedAt = Date.now();
  const isAfter = (seconds: number): boolean => Date.now() - startedAt >= seconds * 1_000;
  let asked: string | undefined;
  for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 1.5, 1_000)) {
    const found = await readOurs(pod);
    const uid = found?.metadata?.uid;
    if (found === undefined || uid === undefined) return;
    if (asked !== uid) {
      await cluster.remove(podName(pod), uid, removal.graceSeconds);
      asked = uid;
    } else if (isAfter(removal.forceSeconds) && isNodeDead(found)) await cluster.remove(podName(pod), uid, 0);
    else if (isAfter(removal.giveUpSeconds)) throw new Error('the cluster did not remove a pod in time; it is tried again');
    await pause(pauseMs);
  }
};

const isNodeDead = (pod: V1Pod): boolean =>
  isNodeSilent(pod) ||
  (pod.status?.conditions ?? []).some(
    ({ type, status, reason }) =>
      type === 'DisruptionTarget' && status === 'True' && (reason === 'DeletionByTaintManager' || reason === 'DeletionByPodGC'),
  );
