import { CompleteAsyncError } from '@temporalio/activity';
import type { PodRef, StagedInputs } from '../workflows/contract/job.ts';
import { status } from '../workflows/contract/status.ts';
import { failIfGoing } from './awaitAgent.ts';
import type { PodObserver } from './runAlgorithm.ts';

export interface StageInputsDeps extends PodObserver {
  readonly records: {
    /** Says more about the state that a job is in; never moves it backward. */
    recordProgress(record: PodRef & { readonly status: number; readonly reason: string }): Promise<void>;
  };
}

/**
 * The agent fetches inputs, algorithm and DDOs, and opens the gate; the gateway completes this. Where something keeps
 * the algorithm from beginning, clients are told what. Safe to repeat.
 */
export const stageInputs = ({ pods, records }: StageInputsDeps) =>
  async function stageInputs(pod: PodRef): Promise<StagedInputs> {
    const outcome = await pods.observe(pod);
    failIfGoing(outcome, pod);
    if (outcome.kind === 'alive' && outcome.waiting !== undefined) {
      await records.recordProgress({
        ...pod,
        status: outcome.agentRuns === true ? status.provisioningData : status.pullingImage,
        reason: outcome.waiting,
      });
    }
    throw new CompleteAsyncError();
  };
