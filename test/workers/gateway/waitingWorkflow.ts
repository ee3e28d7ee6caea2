/** The part of a job's workflow that waits for the agent, for tests of reports against a real server. */

import { ActivityCancellationType, CancellationScope, isCancellation, proxyActivities } from '@temporalio/workflow';

interface Waiting {
  stageInputs(): Promise<unknown>;
  runAlgorithm(): Promise<unknown>;
  publishOutputs(): Promise<unknown>;
}

const agent = proxyActivities<Waiting>({
  scheduleToCloseTimeout: '1m',
  heartbeatTimeout: '30s',
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '200ms' },
});

/** Stages and runs; after a cancellation or the end it publishes. */
export async function waitForAgent(): Promise<unknown> {
  await agent.stageInputs.executeWithOptions({ activityId: 'stageInputs/1' }, []);
  let result: unknown = 'stopped';
  try {
    result = await agent.runAlgorithm.executeWithOptions({ activityId: 'runAlgorithm/1' }, []);
  } catch (err) {
    if (!isCancellation(err)) throw err;
  }
  await CancellationScope.nonCancellable(() => agent.publishOutputs.executeWithOptions({ activityId: 'publishOutputs/1' }, []));
  return result;
}
