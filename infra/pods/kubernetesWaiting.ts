/** Pods whose algorithm has not begun: what they wait for, and when the wait is in vain. Pure. */

import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node';
import { isJobFailure, type FailureType } from '../../workflows/contract/failures.ts';
import type { PodOutcome } from '../../workflows/contract/pod.ts';
import { dockerFailure } from './dockerFailure.ts';
import { containerRefusals, pullReasons } from './kubernetesWords.ts';

/** What is looked at. */
export interface WaitingPod {
  readonly pod: V1Pod;
  readonly agent: V1ContainerStatus | undefined;
  readonly algorithm: V1ContainerStatus | undefined;
  /** the time that the pod may take to begin has passed */
  readonly isLate: boolean;
  readonly createSeconds: number;
}

const failed = (type: FailureType, message: string): PodOutcome => ({ kind: 'failed', type, message });

/** An image that the registry refuses for good is told at once; everything that may come right is waited for until it is late. */
export const waitingOutcome = (waiting: WaitingPod): PodOutcome => {
  const { pod, agent, algorithm, isLate, createSeconds } = waiting;
  const unscheduled = unscheduledOutcome(waiting);
  if (unscheduled !== undefined) return unscheduled;
  const agentTrouble = agentOutcome(agent, isLate);
  if (agentTrouble !== undefined) return agentTrouble;
  const agentRuns = agent?.state?.running !== undefined;
  const { reason = '', message = '' } = algorithm?.state?.waiting ?? {};
  if (pullReasons.has(reason)) {
    const image = pod.spec?.containers.find(({ name }) => name === algorithm?.name)?.image ?? '';
    // a secret of its own has the pod's name: then the job brought credentials
    const isPrivate = pod.spec?.imagePullSecrets?.some(({ name }) => name === pod.metadata?.name) === true;
    return pullOutcome(`${reason} ${message}`, { isLocal: image.startsWith('localhost/'), isPrivate, isLate, agentRuns });
  }
  const refused = containerRefusals[reason];
  if (refused !== undefined) return failed(refused, `the cluster cannot make the algorithm's container (${reason})`);
  if (isLate) return failed('ContainerFailed', `the cluster did not start the pod's containers within ${createSeconds} s`);
  return { kind: 'alive' };
};

const unscheduledOutcome = ({ pod, isLate, createSeconds }: WaitingPod): PodOutcome | undefined => {
  const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status !== 'False') return undefined;
  const lacks = lacksOf(scheduled.message ?? '');
  if (!isLate) return { kind: 'alive', waiting: `waiting for a node: ${lacks}` };
  return /volume/i.test(lacks)
    ? failed('VolumeFailed', `the cluster made no volume for this job within ${createSeconds} s: ${lacks}`)
    : failed('NoCapacity', `no node could take this job within ${createSeconds} s (${lacks}); try again later or ask for less`);
};

/**
 * The scheduler's reasons without its counts, which change all the time:
 * `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {a: b}. preemption: …`
 */
const lacksOf = (message: string): string => {
  const [, list = ''] = /nodes are available: (.*)$/s.exec(message.split(/\. (?:preemption|no new claims)|\. ?$/)[0] ?? '') ?? [];
  const lacks = list
    .split(/, (?=\d|pod has)/)
    .map((lack) =>
      lack
        .replace(/^\d+ (node\(s\) )?/, '')
        .replace(/ \{.*\}/, '')
        .trim(),
    )
    .filter((lack) => lack !== '');
  const text = [...new Set(lacks)].join(', ') || message.split(/[.:]/)[0]?.trim() || 'none fits';
  return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200);
};

/** Nothing can be done without an agent, and its image is the operator's. */
const agentOutcome = (agent: V1ContainerStatus | undefined, isLate: boolean): PodOutcome | undefined => {
  const reason = agent?.state?.waiting?.reason ?? '';
  const refused = containerRefusals[reason];
  if (refused !== undefined) return failed(refused, `the cluster cannot make the agent's container (${reason})`);
  if (!pullReasons.has(reason)) return undefined;
  if (isLate || reason === 'InvalidImageName' || reason === 'ErrImageNeverPull') {
    return failed('ClusterMisconfigured', "the agent's image cannot be pulled; the operator must name one that the cluster can reach");
  }
  return { kind: 'alive', waiting: "waiting for the agent's image, which cannot be pulled yet" };
};

interface PullState {
  readonly isLocal: boolean;
  readonly isPrivate: boolean;
  readonly isLate: boolean;
  readonly agentRuns: boolean;
}

const pullOutcome = (text: string, { isLocal, isPrivate, isLate, agentRuns }: PullState): PodOutcome => {
  if (isLocal) return failed('ImageUnavailable', 'the algorithm image is a local one and is not on this node');
  if (text.startsWith('ErrImageNeverPull'))
    return failed('ImageUnavailable', 'the algorithm image is not on this node, and the cluster pulls none');
  const failure = dockerFailure(new Error(text.replace(/^InvalidImageName/, 'invalid image name')), isPrivate ? 'privatePull' : 'pull');
  if (isJobFailure(failure) && failure.type === 'ImageUnavailable') return failed(failure.type, failure.message);
  const cause = isJobFailure(failure) ? failure.message : 'the algorithm image could not be pulled; it is tried again';
  return isLate
    ? failed('ImagePullFailed', cause.replace('it is tried again', 'it was tried for as long as this environment allows'))
    : { kind: 'alive', waiting: cause, agentRuns };
};
