/** One look at a job's workflow, without a worker. */

import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { jobWorkflowId } from '../../workflows/contract/ids.ts';

/** An activity that has not closed. */
export interface PendingActivity {
  readonly activityId: string;
  readonly type: string;
  /** `started` also while a cancellation is requested; `waiting`: in the queue, in back-off or paused */
  readonly state: 'started' | 'waiting';
  /** when its current attempt started, milliseconds since the epoch; null before the first */
  readonly startedAtMs: number | null;
  /** an attempt has failed before */
  readonly hasFailed: boolean;
}

/** What can be seen of a workflow. */
export interface WorkflowView {
  /** false also for a workflow that Temporal does not know */
  readonly open: boolean;
  readonly pending: readonly PendingActivity[];
}

export interface WorkflowLook {
  look(jobId: string): Promise<WorkflowView>;
}

// temporal.api.enums.v1.PendingActivityState: STARTED, CANCEL_REQUESTED, PAUSE_REQUESTED
const startedStates = new Set([2, 3, 5]);

interface Timestamp {
  readonly seconds?: { toNumber(): number } | number | null;
  readonly nanos?: number | null;
}

const toMilliseconds = (time: Timestamp | null | undefined): number | null => {
  if (time === null || time === undefined) return null;
  const seconds = typeof time.seconds === 'number' ? time.seconds : (time.seconds?.toNumber() ?? 0);
  return seconds * 1_000 + Math.floor((time.nanos ?? 0) / 1e6);
};

/** Reads `describe()`: current, unlike a list, and answered by the server alone. */
export const createWorkflowLook = (client: Pick<Client, 'workflow'>): WorkflowLook => ({
  async look(jobId) {
    try {
      const { status, raw } = await client.workflow.getHandle(jobWorkflowId(jobId)).describe();
      const pending = (raw.pendingActivities ?? []).map((activity): PendingActivity => ({
        activityId: activity.activityId ?? '',
        type: activity.activityType?.name ?? '',
        state: startedStates.has(activity.state ?? 0) ? 'started' : 'waiting',
        startedAtMs: toMilliseconds(activity.lastStartedTime),
        hasFailed: activity.lastFailure !== null && activity.lastFailure !== undefined,
      }));
      return { open: status.name === 'RUNNING' || status.name === 'PAUSED', pending };
    } catch (err) {
      if (err instanceof WorkflowNotFoundError) return { open: false, pending: [] };
      throw err;
    }
  },
});
