/** Labels of everything that belongs to a pod, on an engine as on a cluster. Pure. */

import { environmentLabel, jobLabel, podAttemptLabel } from '../../workflows/contract/ids.ts';
import type { ListedPod, PodSpec } from '../../workflows/contract/pod.ts';

/** Its value is the installation's name: pods of others are invisible. */
export const instanceLabel = 'c2d.instance';

/** Labels of every object of a pod. */
export const podLabels = ({ pod, environmentId }: Pick<PodSpec, 'pod' | 'environmentId'>, instance: string): Record<string, string> => ({
  [instanceLabel]: instance,
  [jobLabel]: pod.jobId,
  [podAttemptLabel]: String(pod.podAttempt),
  [environmentLabel]: environmentId,
});

/** True when labels say what `ours`, made by {@link podLabels}, says about installation, job and attempt. */
export const areOurs = (found: Readonly<Record<string, string>> | null | undefined, ours: Readonly<Record<string, string>>): boolean =>
  [instanceLabel, jobLabel, podAttemptLabel].every((label) => found?.[label] === ours[label]);

/** @returns undefined for labels that are no pod's */
export const listedPodOf = (labels: Readonly<Record<string, string>>, createdAtMs: number): ListedPod | undefined => {
  const jobId = labels[jobLabel];
  const podAttempt = Number(labels[podAttemptLabel]);
  if (jobId === undefined || !Number.isInteger(podAttempt) || podAttempt < 1) return undefined;
  return { pod: { jobId, podAttempt }, environmentId: labels[environmentLabel] ?? '', createdAtMs };
};
