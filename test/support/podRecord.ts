/** What became of the pods of a namespace while somebody looked: how many there were at once, and which of whom. */

import { CoreV1Api, KubeConfig, makeInformer, type V1Pod } from '@kubernetes/client-node';
import { jobLabel } from '../../workflows/contract/ids.ts';
import type { KubernetesPlace } from './kubernetesJobPods.ts';

/** Every change that the cluster told, in its order. */
export interface PodRecord {
  /** pods that were made for each job, by uid */
  podsOf(jobId: string): readonly V1Pod[];
  /** the most pods of these jobs that existed at once, also as they were being removed */
  mostAtOnce(jobs: ReadonlySet<string>): number;
  close(): Promise<void>;
}

interface Change {
  readonly jobId: string;
  readonly uid: string;
  readonly exists: boolean;
}

const reconnectMs = 200;

/** Begins to look at the pods of jobs; resolves when no pod that comes later is missed. */
export const recordPods = async ({ kubeconfig, namespace }: KubernetesPlace): Promise<PodRecord> => {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  const pods = new Map<string, V1Pod>();
  const changes: Change[] = [];
  const note = (exists: boolean) => (pod: V1Pod) => {
    const [uid, jobId] = [pod.metadata?.uid ?? '', pod.metadata?.labels?.[jobLabel] ?? ''];
    pods.set(uid, pod);
    changes.push({ jobId, uid, exists });
  };
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const informer = makeInformer<V1Pod>(config, path, () => core.listNamespacedPod({ namespace, labelSelector: jobLabel }), jobLabel);
  informer.on('add', note(true));
  informer.on('delete', note(false));
  let isClosed = false;
  informer.on('error', () => void setTimeout(() => void (isClosed || informer.start()), reconnectMs));
  await informer.start();
  return {
    podsOf: (jobId) => [...pods.values()].filter(({ metadata }) => metadata?.labels?.[jobLabel] === jobId),
    mostAtOnce: (jobs) => mostAtOnce(changes.filter(({ jobId }) => jobs.has(jobId))),
    async close() {
      isClosed = true;
      await informer.stop();
    },
  };
};

const mostAtOnce = (changes: readonly Change[]): number => {
  const existing = new Set<string>();
  let most = 0;
  for (const { uid, exists } of changes) {
    if (exists) existing.add(uid);
    else existing.delete(uid);
    most = Math.max(most, existing.size);
  }
  return most;
};
