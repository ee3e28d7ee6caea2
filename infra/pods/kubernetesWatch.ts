/** A list and a watch that never end: what changes about the pods of this service, promptly but without a promise. */

import { setTimeout as pause } from 'node:timers/promises';
import type { V1Pod } from '@kubernetes/client-node';
import type { PodRef } from '../../workflows/contract/job.ts';
import type { PodOutcome, PodWatch } from '../../workflows/contract/pod.ts';
import type { ClusterClient, PodEvent } from './clusterClient.ts';
import { withImage } from './imageId.ts';
import { imageIdOf, kubernetesOutcome } from './kubernetesOutcome.ts';
import { listedPodOf } from './podLabels.ts';

export interface KubernetesWatchDeps {
  readonly cluster: Pick<ClusterClient, 'list' | 'watch'>;
  readonly labelSelector: string;
  readonly onChange: (pod: PodRef, outcome: PodOutcome) => void;
  /** milliseconds before a failed connection is tried again; doubles up to `longestPauseMs` */
  readonly firstPauseMs?: number;
}

const longestPauseMs = 10_000;

/**
 * Lists, then watches from there; a connection that ended is gone on with where it ended, and everything is listed
 * again when the server has forgotten that place (410) or failed. A pod that has vanished meanwhile is told as lost.
 */
export const watchKubernetesPods = (deps: KubernetesWatchDeps): PodWatch => {
  const closing = new AbortController();
  const running = follow(deps, closing.signal);
  return {
    async close() {
      closing.abort();
      await running;
    },
  };
};

const follow = async (
  { cluster, labelSelector, onChange, firstPauseMs = 200 }: KubernetesWatchDeps,
  signal: AbortSignal,
): Promise<void> => {
  const known = new Map<string, PodRef>();
  let pauseMs = firstPauseMs;
  while (!signal.aborted) {
    try {
      const { pods, resourceVersion } = await cluster.list(labelSelector);
      const gone = new Map(known);
      for (const pod of pods) gone.delete(tell(pod, known, onChange) ?? '');
      for (const [name, pod] of gone) forget(name, pod, known, onChange);
      pauseMs = firstPauseMs;
      await watchFrom(resourceVersion, { cluster, labelSelector, signal, known, onChange });
    } catch {
      // a cluster that is away is found out by whoever needs it; here it is only waited for
      await pause(pauseMs * (0.8 + Math.random() * 0.4), undefined, { signal }).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
    }
  }
};

interface Following {
  readonly cluster: Pick<ClusterClient, 'watch'>;
  readonly labelSelector: string;
  readonly signal: AbortSignal;
  readonly known: Map<string, PodRef>;
  readonly onChange: KubernetesWatchDeps['onChange'];
}

/** Returns when everything has to be listed again. */
const watchFrom = async (start: string, { cluster, labelSelector, signal, known, onChange }: Following): Promise<void> => {
  let resourceVersion = start;
  let isForgotten = false;
  const onEvent = ({ type, object }: PodEvent): void => {
    const pod = object as V1Pod;
    if (type === 'ERROR') {
      isForgotten = true;
      return;
    }
    resourceVersion = pod.metadata?.resourceVersion ?? resourceVersion;
    if (type === 'DELETED') {
      // the last state of a pod may be the first that tells its image
      const name = tell(pod, known, onChange) ?? '';
      const gone = known.get(name);
      if (gone !== undefined) forget(name, gone, known, onChange);
    } else if (type !== 'BOOKMARK') tell(pod, known, onChange);
  };
  while (!signal.aborted && !isForgotten) await cluster.watch({ labelSelector, resourceVersion, signal }, onEvent);
};

/** @returns the pod's name; undefined for one that is no pod of ours */
const tell = (pod: V1Pod, known: Map<string, PodRef>, onChange: KubernetesWatchDeps['onChange']): string | undefined => {
  const listed = listedPodOf(pod.metadata?.labels ?? {}, 0);
  const name = pod.metadata?.name;
  if (listed === undefined || name === undefined) return undefined;
  known.set(name, listed.pod);
  onChange(listed.pod, withImage(kubernetesOutcome(pod, Date.now()), imageIdOf(pod)));
  return name;
};

const forget = (name: string, pod: PodRef, known: Map<string, PodRef>, onChange: KubernetesWatchDeps['onChange']): void => {
  known.delete(name);
  onChange(pod, kubernetesOutcome(undefined, Date.now()));
};
