/** Schedules of the reaper, of retention and of self-tests, and the search attributes: what a Temporal namespace must have. */

import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type Client,
  type Connection,
  type ScheduleOptions,
} from '@temporalio/client';
import { orchestratorQueue } from '../../workflows/contract/ids.ts';
import { sealScheduleId, sealSchedulePrefix, type SealTest } from '../../workflows/contract/seal.ts';
import { searchAttributes } from '../../workflows/contract/searchAttributes.ts';

const scheduleId = 'c2d-reaper';
const retentionScheduleId = 'c2d-retention';
const keyword = 2; // temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD

/** How often the reaper runs, and how young a pod it leaves alone. */
export interface ReaperTimes {
  readonly everySeconds: number;
  readonly graceSeconds: number;
}

const policies = { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1h' as const };

/** Creates a schedule, or brings an existing one to these options. Safe to repeat by any number of processes. */
const ensureSchedule = async ({ schedule }: Client, options: Required<Pick<ScheduleOptions, 'scheduleId' | 'spec' | 'action'>>) => {
  const { scheduleId, ...wanted } = options;
  try {
    await schedule.create({ ...options, policies });
  } catch (err) {
    if (!(err instanceof ScheduleAlreadyRunning)) throw err;
    await schedule.getHandle(scheduleId).update((previous) => ({ ...previous, ...wanted, policies }));
  }
};

const every = (seconds: number): ScheduleOptions['spec'] => ({
  intervals: [{ every: seconds * 1_000 }],
  jitter: Math.min(60_000, seconds * 100),
});

/** Safe to repeat by any number of processes. */
export const ensureReaper = async (client: Client, { everySeconds, graceSeconds }: ReaperTimes): Promise<void> => {
  await ensureSchedule(client, {
    scheduleId,
    spec: every(everySeconds),
    action: {
      type: 'startWorkflow',
      workflowType: 'reapPods',
      workflowId: scheduleId,
      taskQueue: orchestratorQueue,
      args: [{ olderThanSeconds: graceSeconds }],
    },
  });
};

/** Has results removed whose time is over. Safe to repeat by any number of processes. */
export const ensureRetention = async (
  client: Client,
  { everySeconds, taskQueue = orchestratorQueue }: { readonly everySeconds: number; readonly taskQueue?: string },
): Promise<void> => {
  await ensureSchedule(client, {
    scheduleId: retentionScheduleId,
    spec: every(everySeconds),
    action: { type: 'startWorkflow', workflowType: 'expireJobs', workflowId: retentionScheduleId, taskQueue, args: [] },
  });
};

/** Which environments are to be tested, and how often. */
export interface SelfTestTimes {
  readonly environmentIds: readonly string[];
  readonly everySeconds: number;
  /** true for an environment that was proved lately: its next self-test comes when its time comes, not at each start of a process */
  readonly isProved: (environmentId: string) => boolean;
  /** default: the orchestrator's */
  readonly taskQueue?: string;
}

const removeOthers = async ({ schedule }: Client, wanted: ReadonlySet<string>): Promise<void> => {
  for await (const { scheduleId: id } of schedule.list()) {
    if (!id.startsWith(sealSchedulePrefix) || wanted.has(id)) continue;
    await schedule
      .getHandle(id)
      .delete()
      .catch((err: unknown) => {
        // another process that starts now was faster
        if (!(err instanceof ScheduleNotFoundError)) throw err;
      });
  }
};

/**
 * One schedule of self-tests per environment, begun at once where it has to be proved yet. Those of other
 * environments, no longer configured, are removed. Safe to repeat by any number of processes.
 */
export const ensureSelfTests = async (
  client: Client,
  { environmentIds, everySeconds, isProved, taskQueue = orchestratorQueue }: SelfTestTimes,
): Promise<void> => {
  await removeOthers(client, new Set(environmentIds.map(sealScheduleId)));
  for (const environmentId of environmentIds) {
    const id = sealScheduleId(environmentId);
    const args: [SealTest] = [{ environmentId }];
    await ensureSchedule(client, {
      scheduleId: id,
      spec: every(everySeconds),
      action: { type: 'startWorkflow', workflowType: 'proveSeal', workflowId: id, taskQueue, args },
    });
    if (!isProved(environmentId)) await client.schedule.getHandle(id).trigger(ScheduleOverlapPolicy.SKIP);
  }
};

/** Registers the search attributes that the server lacks. */
export const ensureSearchAttributes = async (
  { operatorService }: Pick<Connection, 'operatorService'>,
  namespace: string,
): Promise<void> => {
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
  const missing = searchAttributes.filter(({ name }) => customAttributes[name] === undefined);
  if (missing.length === 0) return;
  await operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(missing.map(({ name }) => [name, keyword])),
  });
};
