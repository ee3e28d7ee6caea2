import { CompleteAsyncError } from '@temporalio/activity';
import { JobFailure } from '../workflows/contract/failures.ts';
import type { PodRef } from '../workflows/contract/job.ts';
import type { PodObserver } from './runAlgorithm.ts';

/** Leaves the wait to the pod's agent, or fails now if that pod can report no more. Only reads. */
export const awaitAgent = async ({ pods }: PodObserver, pod: PodRef): Promise<never> => {
  const outcome = await pods.observe(pod);
  if (outcome.kind === 'failed') throw new JobFailure(outcome.type, outcome.message);
  if (outcome.kind === 'lost') throw new JobFailure('PodLost', `pod attempt ${pod.podAttempt}: ${outcome.reason}`);
  throw new CompleteAsyncError();
};
