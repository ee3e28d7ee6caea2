/** Turns changes of pods into prompt looks at them, and notes their images: correctness never depends on it. */

import { ActivityNotFoundError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { noteImage, type ImageNotesDeps } from '../../activities/noteImage.ts';
import type { FailureType } from '../../workflows/contract/failures.ts';
import { jobWorkflowId, phaseActivityId, podName } from '../../workflows/contract/ids.ts';
import type { AgentPhase, PodRef } from '../../workflows/contract/job.ts';
import type { PodOutcome } from '../../workflows/contract/pod.ts';

/** What pokes need. */
export interface PodWatchDeps extends ImageNotesDeps {
  /** Temporal's completion client */
  readonly activity: {
    fail(address: { readonly workflowId: string; readonly activityId: string }, failure: ApplicationFailure): Promise<void>;
  };
  /** told of what could not be delivered; whoever waits finds out by itself, later */
  readonly onProblem: (err: unknown) => void;
}

/** Phases whose next look would say something else than their last one. */
const phasesConcerned = (outcome: PodOutcome): readonly AgentPhase[] => {
  switch (outcome.kind) {
    case 'failed':
    case 'lost':
      return ['stageInputs', 'runAlgorithm', 'publishOutputs'];
    case 'alive':
      if (outcome.doubt !== undefined) return ['stageInputs', 'runAlgorithm', 'publishOutputs'];
      // what there is may still be published while the pod goes
      if (outcome.ending !== undefined) return ['stageInputs', 'runAlgorithm'];
      return outcome.waiting === undefined ? [] : ['stageInputs'];
    case 'ended':
      // the agent sees that first, and knows more
      return [];
    default:
      return outcome satisfies never;
  }
};

const rememberedPods = 20_000;

/**
 * Called with each change of a pod; has the phase that waits for it look again, at once, when that would find something
 * new. The look itself decides: what was seen here is not passed on, but for the image, which a node often tells only
 * when a short algorithm is over and nobody looks any more. Several orchestrators may do the same.
 */
export const createPodWatch = ({ activity, images, onProblem }: PodWatchDeps): ((pod: PodRef, outcome: PodOutcome) => void) => {
  const seen = new Map<string, string>();
  return (pod, outcome) => {
    noteImage({ images }, pod, outcome).catch(onProblem);
    const phases = phasesConcerned(outcome);
    const name = podName(pod);
    const news = phases.length === 0 ? '' : outcome.kind === 'lost' ? 'lost' : JSON.stringify(outcome);
    if ((seen.get(name) ?? '') === news) return;
    if (seen.size >= rememberedPods) seen.clear();
    seen.set(name, news);
    for (const phase of phases) poke(activity, phase, pod).catch(onProblem);
  };
};

const poke = async (activity: PodWatchDeps['activity'], phase: AgentPhase, pod: PodRef): Promise<void> => {
  const failure = ApplicationFailure.create({
    type: 'PodChanged' satisfies FailureType,
    message: 'the pod has changed: it is looked at again',
    nextRetryDelay: '1ms',
    category: 'BENIGN',
  });
  try {
    await activity.fail({ workflowId: jobWorkflowId(pod.jobId), activityId: phaseActivityId(phase, pod) }, failure);
  } catch (err) {
    // nobody waits in this phase, or somebody looks just now
    if (!(err instanceof ActivityNotFoundError)) throw err;
  }
};
