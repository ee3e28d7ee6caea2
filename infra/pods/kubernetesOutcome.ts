/** What a pod's status says about its job. Pure; judged in one place only. */

import type { V1ContainerStatus, V1Pod, V1PodCondition } from '@kubernetes/client-node';
import type { PodOutcome } from '../../workflows/contract/pod.ts';
import { evictionOutcome } from './kubernetesEviction.ts';
import { filterTrouble } from './kubernetesFilters.ts';
import { agentName, algorithmName, createSecondsAnnotation } from './kubernetesSpec.ts';
import { secondsSince, timeOf } from './kubernetesTime.ts';
import { waitingOutcome } from './kubernetesWaiting.ts';
import { neverRan } from './kubernetesWords.ts';

/**
 * What a look at a pod says.
 * @param pod as the API server returns it, status included; times as texts or dates
 * @param nowMs milliseconds since the epoch; what may still come right does so for the pod's own `createSeconds`
 * @returns one outcome. Evictions are judged before exit codes, the agent before the algorithm: without an agent nobody
 *   publishes. Never throws: an unknown status is `alive`
 * @see tektoncd/pipeline `pkg/pod/status.go`, argoproj/argo-workflows `util/errors` for the reasons that a pod can name
 */
export const kubernetesOutcome = (pod: V1Pod | undefined, nowMs: number): PodOutcome => {
  if (pod === undefined) return { kind: 'lost', reason: 'the pod is gone' };
  const ending = endingOf(pod);
  const outcome = endOfPod(pod) ?? judgeContainers(pod, nowMs);
  const doubt = isNodeSilent(pod) ? 'its node does not answer any more' : undefined;
  if (outcome.kind !== 'alive' || (ending === undefined && doubt === undefined)) return outcome;
  return { kind: 'alive', ...(ending !== undefined && { ending }), ...(doubt !== undefined && { doubt }) };
};

/** The pod as a whole has ended. */
const endOfPod = (pod: V1Pod): PodOutcome | undefined => {
  const { status } = pod;
  const hasFailed = status?.phase === 'Failed';
  const evicted = evictionOutcome(status);
  if (hasFailed && evicted !== undefined) return evicted;
  if (hasFailed && status?.reason === 'DeadlineExceeded') {
    return { kind: 'failed', type: 'PhaseTimedOut', message: 'the pod outlived the last deadline that the cluster knows' };
  }
  // a node that refuses a pod: OutOfcpu, NodeAffinity, UnexpectedAdmissionError, NodeShutdown …
  if (hasFailed && status?.containerStatuses === undefined)
    return { kind: 'lost', reason: `its node refused it: ${wordOf(status?.reason)}` };
  return undefined;
};

/**
 * True when the cluster has not heard of the pod's node for some time. Its containers may run: a kubelet that is away, for
 * an upgrade for one, leaves them alone. The cluster says so by a pod that is not ready for no reason; every other reason
 * is a kubelet's.
 * @see kubernetes `pkg/controller/util/node/controller_utils.go`, `MarkPodsNotReady`
 */
export const isNodeSilent = (pod: V1Pod): boolean => {
  const ready = conditionOf(pod, 'Ready');
  return pod.status?.reason === 'NodeLost' || (ready?.status === 'False' && (ready.reason ?? 'NodeNotReady') === 'NodeNotReady');
};

const judgeContainers = (pod: V1Pod, nowMs: number): PodOutcome => {
  const agent = containerOf(pod, agentName);
  const algorithm = containerOf(pod, algorithmName);
  const agentEnd = agent?.state?.terminated;
  const end = algorithm?.state?.terminated;
  if (agentEnd !== undefined) {
    if (end?.reason === 'OOMKilled' && end.exitCode !== 0) {
      return {
        kind: 'failed',
        type: 'AlgorithmOutOfMemory',
        message: 'the algorithm exceeded its memory limit, and its agent is gone as well',
      };
    }
    return { kind: 'lost', reason: reasonOfLoss(agentEnd) };
  }
  if (end !== undefined) return endOfAlgorithm(end);
  const ageSeconds = secondsSince(pod.metadata?.creationTimestamp, nowMs);
  const createSeconds = Number(pod.metadata?.annotations?.[createSecondsAnnotation] ?? Infinity);
  const patience = { isLate: ageSeconds >= createSeconds, createSeconds };
  const filter = filterTrouble(pod, patience);
  if (algorithm?.state?.running !== undefined) return filter ?? { kind: 'alive' };
  const own = waitingOutcome({ pod, agent, algorithm, ...patience });
  return own.kind === 'alive' && own.waiting === undefined ? (filter ?? own) : own;
};

type Terminated = NonNullable<NonNullable<V1ContainerStatus['state']>['terminated']>;

const reasonOfLoss = ({ reason, exitCode }: Terminated): string => {
  if (reason === 'OOMKilled') return 'the agent ran out of memory';
  return exitCode === 0 ? 'the agent has ended' : `the agent failed with exit code ${exitCode}`;
};

/** Where the agent that is still there knows better, its own report counts. */
const endOfAlgorithm = ({ reason, exitCode, startedAt, finishedAt }: Terminated): PodOutcome => {
  if (reason !== undefined && neverRan.has(reason)) {
    return { kind: 'failed', type: 'ContainerFailed', message: "the cluster could not start the algorithm's container" };
  }
  // any process of the container counts as its end by memory; an algorithm that outlived one and ended well, ended well
  const oomKilled = reason === 'OOMKilled' && exitCode !== 0;
  return { kind: 'ended', exitCode, oomKilled, startedAtMs: timeOf(startedAt), finishedAtMs: timeOf(finishedAt) };
};

const endings: Readonly<Record<string, string>> = {
  PreemptionByScheduler: 'the cluster takes its place for pods of a higher priority',
  DeletionByTaintManager: 'its node is being given up',
  EvictionByEvictionAPI: 'its node is being emptied',
  DeletionByPodGC: 'its node is gone',
  TerminationByKubelet: 'its node ends it',
};

/** A pod that is being deleted, for whatever reason, still has the time to publish. */
const endingOf = (pod: V1Pod): string | undefined => {
  const disruption = conditionOf(pod, 'DisruptionTarget');
  if (disruption?.status === 'True') return endings[disruption.reason ?? ''] ?? `it is being ended: ${wordOf(disruption.reason)}`;
  return pod.metadata?.deletionTimestamp === undefined ? undefined : 'it is being deleted';
};

const conditionOf = ({ status }: V1Pod, type: string): V1PodCondition | undefined =>
  status?.conditions?.find((condition) => condition.type === type);

const containerOf = ({ status }: V1Pod, name: string): V1ContainerStatus | undefined =>
  status?.containerStatuses?.find((container) => container.name === name);

/** What the algorithm's container runs, in the words of the node's runtime; empty or absent until it has begun. */
export const imageIdOf = (pod: V1Pod | undefined): string | undefined =>
  pod === undefined ? undefined : containerOf(pod, algorithmName)?.imageID;

/** A reason is a word; anything else is not for people. */
const wordOf = (reason: string | undefined): string => (reason !== undefined && /^\w{1,60}$/.test(reason) ? reason : 'for no known reason');
