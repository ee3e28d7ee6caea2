/** The floor of the control plane: as many activities as a job has, in its order, and nothing done in any of them. */

import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';

/** Activities of a bare job: four of the worker's own, three completed from outside by their id. */
export interface BareActivities {
  nothing(): Promise<void>;
  wait(): Promise<void>;
}

const own = proxyActivities<BareActivities>({ startToCloseTimeout: '1m' });
const outside = proxyActivities<BareActivities>({ startToCloseTimeout: '1m', cancellationType: ActivityCancellationType.TRY_CANCEL });

/** Ids of the activities that are completed from outside, in order. */
export const bareActivityIds = ['wait/1', 'wait/2', 'wait/3'] as const;

/** Order check, pod, three phases, record and teardown at once. */
export async function bareJob(): Promise<void> {
  await own.nothing();
  await own.nothing();
  for (const activityId of bareActivityIds) await outside.wait.executeWithOptions({ activityId }, []);
  await Promise.all([own.nothing(), own.nothing()]);
}
