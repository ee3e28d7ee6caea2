/** The reaper's schedule and the search attributes: what a Temporal namespace must have. */

import { ScheduleAlreadyRunning, ScheduleOverlapPolicy, type Client, type Connection } from '@temporalio/client';
import { orchestratorQueue } from '../../workflows/contract/ids.ts';
import { searchAttributes } from '../../workflows/contract/searchAttributes.ts';

const scheduleId = 'c2d-reaper';
const keyword = 2; // temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD

/** How often the reaper runs, and how young a pod it leaves alone. */
export interface ReaperTimes {
  readonly everySeconds: number;
  readonly graceSeconds: number;
}

/** Creates the schedule, or brings an existing one to the configured times. Safe to repeat by any number of processes. */
export const ensureReaper = async (client: Client, { everySeconds, graceSeconds }: ReaperTimes): Promise<void> => {
  const spec = { intervals: [{ every: everySeconds * 1_000 }], jitter: Math.min(60_000, everySeconds * 100) };
  const action = {
    type: 'startWorkflow' as const,
    workflowType: 'reapPods',
    workflowId: scheduleId,
    taskQueue: orchestratorQueue,
    args: [{ olderThanSeconds: graceSeconds }],
  };
  const policies = { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1h' as const };
  try {
    await client.schedule.create({ scheduleId, spec, policies, action });
  } catch (err) {
    if (!(err instanceof ScheduleAlreadyRunning)) throw err;
    await client.schedule.getHandle(scheduleId).update((previous) => ({ ...previous, spec, policies, action }));
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
