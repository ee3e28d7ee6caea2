import { CompleteAsyncError, activityInfo } from '@temporalio/activity';
import { JobFailure } from '../workflows/contract/failures.ts';
import type { AlgorithmExit, PodRef } from '../workflows/contract/job.ts';
import type { PodOutcome } from '../workflows/contract/pod.ts';

export interface PodObserver {
  readonly pods: { observe(pod: PodRef): Promise<PodOutcome> };
}

/**
 * Leaves the wait to the pod's agent, or tells now what the agent can tell no more. Safe to repeat: it only reads.
 * On a first attempt the agent's own report is awaited even when the algorithm has ended already, because it knows
 * more than an exit code; later attempts happen after silence or because the agent asked for this look.
 */
export const runAlgorithm = ({ pods }: PodObserver) =>
  async function runAlgorithm(pod: PodRef): Promise<AlgorithmExit> {
    const outcome = await pods.observe(pod);
    switch (outcome.kind) {
      case 'alive':
        throw new CompleteAsyncError();
      case 'ended': {
        if (activityInfo().attempt === 1) throw new CompleteAsyncError();
        const { exitCode, oomKilled, startedAtMs, finishedAtMs } = outcome;
        return {
          end: 'ran',
          exitCode,
          oomKilled,
          startedAtMs,
          finishedAtMs,
          reason: `exit code ${exitCode}, read from the container runtime`,
        };
      }
      case 'failed':
        throw new JobFailure(outcome.type, outcome.message);
      case 'lost':
        throw new JobFailure('PodLost', `pod attempt ${pod.podAttempt}: ${outcome.reason}`);
      default:
        return outcome satisfies never;
    }
  };
