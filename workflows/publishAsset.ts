import { ActivityFailure, ApplicationFailure, TimeoutFailure, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';

const chain = proxyActivities<Pick<Activities, 'publishAsset'>>({
  startToCloseTimeout: '10m',
  heartbeatTimeout: '10s',
  // a key without funds, or a chain that is away, may last a weekend
  scheduleToCloseTimeout: '3d',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '5m' },
});

const record = proxyActivities<Pick<Activities, 'recordAssetFailure'>>({
  startToCloseTimeout: '10s',
  retry: { initialInterval: '250ms', backoffCoefficient: 2, maximumInterval: '1m' },
});

/** A deadline that passed while a failure was being retried: that failure is the reason. */
const rootOf = (err: unknown): unknown => {
  const cause = err instanceof ActivityFailure ? err.cause : err;
  return cause instanceof TimeoutFailure && cause.cause !== undefined ? cause.cause : cause;
};

/**
 * Makes the outputs of a finished job an asset. It lives beside the job's own workflow, which has ended by then: nothing
 * that happens here changes the job. Fails with the reason for which there is no asset; a reset tries again.
 */
export async function publishAsset({ jobId }: { readonly jobId: string }): Promise<void> {
  try {
    await chain.publishAsset({ jobId });
  } catch (err) {
    const cause = rootOf(err);
    const [type, reason] =
      cause instanceof ApplicationFailure
        ? [cause.type ?? null, cause.message]
        : [null, 'it took too long; operators find out why in its workflow'];
    await record.recordAssetFailure({ jobId, reason });
    throw ApplicationFailure.nonRetryable(reason, type);
  }
}
