/** Hands the agent's reports to the activities that wait for them, by id. */

import { ActivityCancelledError, ActivityNotFoundError, ActivityPausedError, ActivityResetError } from '@temporalio/client';
import type { ApplicationFailure } from '@temporalio/common';
import { jobWorkflowId, phaseActivityId } from '../../workflows/contract/ids.ts';
import type { AgentPhase, Heard, PodRef } from '../../workflows/contract/job.ts';
import type { AgentProgress } from './protocol.ts';
import type { PendingActivity, WorkflowLook } from './workflowLook.ts';

/** What an activity's next attempt finds as its details when the agent does not know how the algorithm ended. */
interface ExitUnknown extends Heard {
  readonly exitUnknown: true;
}

/** Which activity a report is for. */
export interface ActivityAddress {
  readonly workflowId: string;
  readonly activityId: string;
}

/** The part of Temporal's completion client that reports need. */
export interface ActivityClient {
  heartbeat(address: ActivityAddress, details: unknown): Promise<void>;
  complete(address: ActivityAddress, result: unknown): Promise<void>;
  fail(address: ActivityAddress, err: ApplicationFailure): Promise<void>;
}

export interface ReportDeps {
  readonly activity: ActivityClient;
  readonly workflows: WorkflowLook;
  /** resolves after so many milliseconds */
  readonly pause: (milliseconds: number) => Promise<void>;
  /** waits between attempts to hand a report over, in milliseconds */
  readonly patience?: readonly number[];
  /** told about a report that nothing waited for in time */
  readonly onEarly?: () => void;
}

/** `taken`: also when an earlier copy of the report was; `notYet`: send it again; `over`: the job has ended. */
export type ReportOutcome = 'taken' | 'notYet' | 'over';

const defaultPatience = [25, 50, 100, 200, 400, 800] as const;

const addressOf = (phase: AgentPhase, pod: PodRef): ActivityAddress => ({
  workflowId: jobWorkflowId(pod.jobId),
  activityId: phaseActivityId(phase, pod),
});

/**
 * One sign of life, with progress as its details.
 * @returns `stop` when this phase is being cancelled. A heartbeat that finds nothing proves nothing: `continue`
 */
export const heartbeatPhase = ({ activity }: Pick<ReportDeps, 'activity'>) =>
  async function heartbeatPhase(pod: PodRef, progress: AgentProgress): Promise<'continue' | 'stop'> {
    try {
      await activity.heartbeat(addressOf(progress.phase, pod), { ...progress, heardAtMs: Date.now() } satisfies Heard);
    } catch (err) {
      if (err instanceof ActivityCancelledError) return 'stop';
      if (!isNoVerdict(err)) throw err;
    }
    return 'continue';
  };

/** Hands the phase's result to the activity that waits for it, or will soon. */
export const completePhase = (deps: ReportDeps) =>
  async function completePhase(phase: AgentPhase, pod: PodRef, result: unknown): Promise<ReportOutcome> {
    const handed = await handOver(deps, () => deps.activity.complete(addressOf(phase, pod), result));
    return handed ? 'taken' : judge(deps, phase, pod, () => false);
  };

/**
 * Fails the phase's current attempt. The failure says whether Temporal starts another one.
 * An attempt that already waits out the back-off after a failure counts as taken: its report came before.
 */
export const failPhase = (deps: ReportDeps) =>
  async function failPhase(phase: AgentPhase, pod: PodRef, failure: ApplicationFailure): Promise<ReportOutcome> {
    const handed = await handOver(deps, () => deps.activity.fail(addressOf(phase, pod), failure));
    return handed ? 'taken' : judge(deps, phase, pod, (own) => own.state === 'waiting' && own.hasFailed);
  };

/**
 * Fails the algorithm's current attempt so that the next one, which starts at once, asks the runtime how it ended. That
 * attempt is told that the agent saw an end, because a runtime may take a moment to see it too.
 */
export const askForExit = (deps: ReportDeps) =>
  async function askForExit(pod: PodRef, failure: ApplicationFailure): Promise<ReportOutcome> {
    const address = addressOf('runAlgorithm', pod);
    const handed = await handOver(deps, async () => {
      await deps.activity.heartbeat(address, { exitUnknown: true, heardAtMs: Date.now() } satisfies ExitUnknown).catch((err: unknown) => {
        if (err instanceof ActivityNotFoundError || !isNoVerdict(err)) throw err;
      });
      await deps.activity.fail(address, failure);
    });
    return handed ? 'taken' : judge(deps, 'runAlgorithm', pod, (own) => own.state === 'waiting' && own.hasFailed);
  };

/** Answers to a heartbeat that say nothing about whether the activity goes on. */
const isNoVerdict = (err: unknown): boolean =>
  err instanceof ActivityNotFoundError ||
  err instanceof ActivityPausedError ||
  err instanceof ActivityResetError ||
  err instanceof ActivityCancelledError;

const handOver = async ({ pause, patience = defaultPatience }: ReportDeps, send: () => Promise<void>): Promise<boolean> => {
  for (const wait of [0, ...patience]) {
    if (wait > 0) await pause(wait);
    try {
      await send();
      return true;
    } catch (err) {
      if (!(err instanceof ActivityNotFoundError)) throw err;
    }
  }
  return false;
};

/** In the order in which a workflow schedules them. What is not listed says nothing about a report. */
const order = ['createPod', 'stageInputs', 'runAlgorithm', 'stopPod', 'publishOutputs', 'recordJob', 'deletePod'];

/** "Not yet", "already taken" and "over" look the same to a report: one look at the workflow tells them apart. */
const judge = async (
  { workflows, onEarly }: ReportDeps,
  phase: AgentPhase,
  pod: PodRef,
  ownIsTaken: (own: PendingActivity) => boolean,
): Promise<ReportOutcome> => {
  const { open, pending } = await workflows.look(pod.jobId);
  if (!open) return 'over';
  const ownId = phaseActivityId(phase, pod);
  const own = pending.find(({ activityId }) => activityId === ownId);
  const isLater = ({ type }: PendingActivity): boolean => order.indexOf(type) > order.indexOf(phase);
  if (own === undefined ? pending.some(isLater) : ownIsTaken(own)) return 'taken';
  onEarly?.();
  return 'notYet';
};
