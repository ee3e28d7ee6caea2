/** Filters of a pod that cannot begin, and so keep its algorithm from being let go. Pure. */

import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node';
import { isJobFailure, type FailureType } from '../../workflows/contract/failures.ts';
import type { PodOutcome } from '../../workflows/contract/pod.ts';
import { filterFailure, filterName } from './filterSpec.ts';
import { filtersAnnotation } from './kubernetesSpec.ts';
import { containerRefusals, neverRan, pullReasons } from './kubernetesWords.ts';

/** The time that the pod may take to begin, and whether it has passed. */
export interface Patience {
  readonly isLate: boolean;
  readonly createSeconds: number;
}

/**
 * What is in the way of the first filter that does not run. A filter that has run and ended is none of it: that is for
 * the agent to judge.
 */
export const filterTrouble = (pod: V1Pod, patience: Patience): PodOutcome | undefined => {
  for (const [n, by] of filtersOf(pod).entries()) {
    const found = pod.status?.containerStatuses?.find(({ name }) => name === filterName(n));
    const trouble = found && troubleOf(found, by, patience);
    if (trouble !== undefined) return trouble;
  }
  return undefined;
};

const filtersOf = ({ metadata }: V1Pod): readonly string[] => {
  const text = metadata?.annotations?.[filtersAnnotation];
  return text === undefined ? [] : (JSON.parse(text) as readonly string[]);
};

const failed = (type: FailureType, message: string): PodOutcome => ({ kind: 'failed', type, message });

const troubleOf = ({ state, image }: V1ContainerStatus, by: string, patience: Patience): PodOutcome | undefined => {
  if (neverRan.has(state?.terminated?.reason ?? '')) return failed('FilterFailed', `the cluster could not start the filter of ${by}`);
  if (state?.waiting === undefined) return undefined;
  const { reason = '', message = '' } = state.waiting;
  if (pullReasons.has(reason)) return pullTrouble(`${reason} ${message}`, { by, patience, isLocal: image.startsWith('localhost/') });
  const refused = containerRefusals[reason];
  if (refused !== undefined) return failed(refused, `the cluster cannot make the container of the filter of ${by} (${reason})`);
  const { isLate, createSeconds } = patience;
  return isLate ? failed('FilterFailed', `the cluster did not start the filter of ${by} within ${createSeconds} s`) : undefined;
};

interface FilterPull {
  readonly by: string;
  readonly patience: Patience;
  readonly isLocal: boolean;
}

const pullTrouble = (text: string, { by, patience, isLocal }: FilterPull): PodOutcome => {
  const who = `the image of the filter of ${by}`;
  if (isLocal || text.startsWith('ErrImageNeverPull')) return failed('FilterFailed', `${who} is not on this node, and none is pulled`);
  const failure = filterFailure(new Error(text.replace(/^InvalidImageName/, 'invalid image name')), { by }, 'pull');
  const isKnown = isJobFailure(failure);
  if (isKnown && failure.type === 'FilterFailed') return failed(failure.type, failure.message);
  const cause = isKnown ? failure.message : `${who} could not be pulled; it is tried again`;
  return patience.isLate
    ? failed('FilterFailed', cause.replace('it is tried again', 'it was tried for as long as this environment allows'))
    : { kind: 'alive', waiting: cause, agentRuns: true };
};
