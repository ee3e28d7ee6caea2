/** The floor of the control plane: as many activities as a job has, in its order, and nothing done in any of them. */

import { ActivityCancellationType, allHandlersFinished, condition, defineUpdate, proxyActivities, setHandler } from '@temporalio/workflow';

/** Activities of a bare job: `nothing` is the worker's own, `wait` is completed from outside by its id. */
export interface BareActivities {
  nothing(): Promise<void>;
  wait(): Promise<void>;
}

const own = proxyActivities<BareActivities>({ startToCloseTimeout: '1m' });
const outside = proxyActivities<BareActivities>({ startToCloseTimeout: '1m', cancellationType: ActivityCancellationType.TRY_CANCEL });

/** Ids of the activities that are completed from outside, in order. */
export const bareActivityIds = ['wait/1', 'wait/2', 'wait/3'] as const;

/** Answers once the first activity is done. */
export const bareAcceptance = defineUpdate<void>('bareAcceptance');

/** Order check, pod, three phases, record and teardown at once. The first activity's end is the acceptance. */
export async function bareJob(): Promise<void> {
  const isAccepted = acceptAfterwards();
  await own.nothing();
  isAccepted();
  await own.nothing();
  for (const activityId of bareActivityIds) await outside.wait.executeWithOptions({ activityId }, []);
  await Promise.all([own.nothing(), own.nothing()]);
  await condition(allHandlersFinished);
}

/** A start that is judged, and nothing else. */
export async function bareStart(): Promise<void> {
  const isAccepted = acceptAfterwards();
  await own.nothing();
  isAccepted();
  await condition(allHandlersFinished);
}

const acceptAfterwards = (): (() => void) => {
  let isDone = false;
  setHandler(bareAcceptance, () => condition(() => isDone));
  return () => void (isDone = true);
};
