import { proxyActivities } from '@temporalio/workflow';
import type { ExpiredBatch } from '../activities/expireJobs.ts';
import type { Activities } from '../activities/index.ts';

const retention = proxyActivities<Pick<Activities, 'expireJobs'>>({
  startToCloseTimeout: '10m',
  heartbeatTimeout: '12s',
  retry: { initialInterval: '5s', backoffCoefficient: 2, maximumInterval: '1m', maximumAttempts: 5 },
});

/** What one round did. Failures are tried again in the next one. */
export interface RetentionRound {
  readonly expired: number;
  readonly failed: number;
}

/** What is left after so many batches is the next round's: histories stay short. */
const mostBatches = 100;

/** Ends the storage of results whose time is over. Run by a schedule. */
export async function expireJobs(): Promise<RetentionRound> {
  let [expired, failed] = [0, 0];
  let after: ExpiredBatch['next'] = null;
  for (let count = 0; count < mostBatches; count += 1) {
    const batch: ExpiredBatch = await retention.expireJobs({ after });
    [expired, failed, after] = [expired + batch.expired, failed + batch.failed, batch.next];
    if (after === null) break;
  }
  return { expired, failed };
}
