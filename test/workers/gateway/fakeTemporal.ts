/** Temporal as the gateway meets it: activities by id, with the answers that a real server was observed to give. */

import { ActivityCancelledError, ActivityNotFoundError } from '@temporalio/client';
import type { ApplicationFailure } from '@temporalio/common';
import type { ActivityAddress, ActivityClient } from '../../../workers/gateway/phaseReports.ts';
import type { PendingActivity, WorkflowLook } from '../../../workers/gateway/workflowLook.ts';
import { jobWorkflowId } from '../../../workflows/contract/ids.ts';

export interface FakeActivity {
  readonly type: string;
  state: 'scheduled' | 'started' | 'cancelRequested' | 'backingOff' | 'completed' | 'failed';
  startedAtMs: number | null;
  result?: unknown;
  readonly failures: ApplicationFailure[];
  readonly heartbeats: unknown[];
}

/** One job's workflow. Reports and looks are counted, so that tests can tell a retry from a guess. */
export class FakeTemporal implements ActivityClient, WorkflowLook {
  readonly activities = new Map<string, FakeActivity>();
  open = true;
  looks = 0;
  reports = 0;
  readonly #workflowId: string;

  constructor(jobId: string) {
    this.#workflowId = jobWorkflowId(jobId);
  }

  /** The workflow schedules an activity and a worker leaves the wait to the agent. */
  start(activityId: string, startedAtMs = 1_000): FakeActivity {
    const activity: FakeActivity = { type: activityId.split('/')[0]!, state: 'started', startedAtMs, failures: [], heartbeats: [] };
    this.activities.set(activityId, activity);
    return activity;
  }

  async heartbeat(address: ActivityAddress, details: unknown): Promise<void> {
    const activity = this.#find(address, ['started', 'cancelRequested']);
    activity.heartbeats.push(details);
    if (activity.state === 'cancelRequested') throw new ActivityCancelledError('cancelled');
  }

  async complete(address: ActivityAddress, result: unknown): Promise<void> {
    const activity = this.#find(address, ['scheduled', 'started', 'cancelRequested', 'backingOff']);
    activity.state = 'completed';
    activity.result = result;
  }

  async fail(address: ActivityAddress, failure: ApplicationFailure): Promise<void> {
    const activity = this.#find(address, ['started', 'cancelRequested']);
    activity.failures.push(failure);
    activity.state = failure.nonRetryable === true ? 'failed' : 'backingOff';
  }

  async look(jobId: string): Promise<{ open: boolean; pending: PendingActivity[] }> {
    this.looks += 1;
    if (jobWorkflowId(jobId) !== this.#workflowId || !this.open) return { open: false, pending: [] };
    const pending = [...this.activities].filter(([, { state }]) => state !== 'completed' && state !== 'failed');
    return {
      open: true,
      pending: pending.map(([activityId, { type, state, startedAtMs, failures }]) => ({
        activityId,
        type,
        state: state === 'started' || state === 'cancelRequested' ? 'started' : 'waiting',
        startedAtMs,
        hasFailed: failures.length > 0,
      })),
    };
  }

  #find({ workflowId, activityId }: ActivityAddress, states: readonly FakeActivity['state'][]): FakeActivity {
    this.reports += 1;
    const activity = this.activities.get(activityId);
    if (!this.open || workflowId !== this.#workflowId || activity === undefined || !states.includes(activity.state)) {
      throw new ActivityNotFoundError('Not found');
    }
    return activity;
  }
}
