/** Staging again and again, for as long as the environment allows. */

import type { StagedInputs } from '../gateway/protocol.ts';
import type { StateFile } from './state.ts';
import { failForGood, failForNow, PhaseFailure } from './failures.ts';
import type { Gateway } from './client.ts';
import { stageFiles, type StageDeps } from './stage.ts';

/** What {@link untilStaged} needs. */
export interface StagingDeps extends Omit<StageDeps, 'signal' | 'gateway'> {
  readonly gateway: Pick<Gateway, 'openFile' | 'report' | 'nextAttempt'>;
  readonly stateFile: StateFile;
  readonly cancelled: AbortSignal;
}

/**
 * Stages until everything is there. A failure that may pass is told and tried again; once the time is up it is the
 * phase's last word. The time counts from the first agent of this pod: the workflow cannot know when a scheduler let
 * it begin.
 * @returns never after a failure for good: the pod waits for its removal
 */
export const untilStaged = async (deps: StagingDeps): Promise<StagedInputs> => {
  const { gateway, plan, stateFile, cancelled } = deps;
  const { stageSeconds } = plan.limits;
  const late = new AbortController();
  let last = new PhaseFailure(
    'PhaseTimedOut',
    `the inputs were not there within the ${stageSeconds} s that this environment allows`,
    false,
  );
  const timer = setTimeout(() => late.abort(last), Math.max(0, beginStaging(stateFile) + stageSeconds * 1_000 - Date.now()));
  try {
    for (;;) {
      try {
        return await stageFiles({ ...deps, signal: AbortSignal.any([cancelled, late.signal]) });
      } catch (err) {
        if (!(err instanceof PhaseFailure)) throw err;
        if (!err.retryable || late.signal.aborted) return await failForGood(gateway, 'stageInputs', err);
        last = err;
        await failForNow(gateway, 'stageInputs', err);
      }
    }
  } finally {
    clearTimeout(timer);
  }
};

/** When the first agent of this pod began, milliseconds since the epoch. */
const beginStaging = ({ state, save }: StateFile): number => {
  if (state.stagingSinceMs === null) {
    state.stagingSinceMs = Date.now();
    save();
  }
  return state.stagingSinceMs;
};
