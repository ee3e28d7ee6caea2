import { CompleteAsyncError, activityInfo, heartbeat } from '@temporalio/activity';
import { JobFailure } from '../workflows/contract/failures.ts';
import type { Heard, PodRef } from '../workflows/contract/job.ts';
import type { PodOutcome } from '../workflows/contract/pod.ts';
import { noteImage, type ImageNotesDeps } from './noteImage.ts';
import type { PodObserver } from './runAlgorithm.ts';

/**
 * Leaves the wait to the pod's agent, or fails now if that pod can report no more. A cluster may tell only now which image
 * the algorithm runs in.
 */
export const awaitAgent = async ({ pods, images }: PodObserver & ImageNotesDeps, pod: PodRef): Promise<never> => {
  const outcome = await pods.observe(pod);
  await noteImage({ images }, pod, outcome);
  failIfGone(outcome, pod);
  throw new CompleteAsyncError();
};

/** @throws JobFailure for a pod in which nothing can go on */
export const failIfGone = (outcome: PodOutcome, pod: PodRef): void => {
  if (outcome.kind === 'failed') throw new JobFailure(outcome.type, outcome.message);
  if (outcome.kind === 'lost') throw podLost(pod, outcome.reason);
  if (outcome.kind === 'alive' && outcome.doubt !== undefined) failIfSilent(outcome.doubt, pod);
};

/** @throws JobFailure also for a pod that is being taken down: what has not ended by then cannot be trusted to end there */
export const failIfGoing = (outcome: PodOutcome, pod: PodRef): void => {
  failIfGone(outcome, pod);
  if (outcome.kind === 'alive' && outcome.ending !== undefined) throw podLost(pod, outcome.ending);
};

/** An agent that has said nothing yet counts as heard at the first look that has a doubt. */
const failIfSilent = (doubt: string, pod: PodRef): void => {
  const { heartbeatTimeoutMs = 0, ...info } = activityInfo();
  const details: unknown = info.heartbeatDetails;
  const known: Partial<Heard> = typeof details === 'object' && details !== null ? details : {};
  if (typeof known.heardAtMs !== 'number') heartbeat({ ...known, heardAtMs: Date.now() } satisfies Heard);
  else if (Date.now() - known.heardAtMs >= heartbeatTimeoutMs) throw podLost(pod, `${doubt}, and neither does its agent`);
};

const podLost = ({ podAttempt }: PodRef, reason: string): JobFailure => new JobFailure('PodLost', `pod attempt ${podAttempt}: ${reason}`);
