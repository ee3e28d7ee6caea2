import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { WebhookRef } from './contract/job.ts';

/** A receiver that is away for a night misses nothing; after a day it is given up. */
const receiver = proxyActivities<Pick<Activities, 'postWebhook'>>({
  startToCloseTimeout: '30s',
  scheduleToCloseTimeout: '24h',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1h' },
});

/**
 * Tells the operator of a job's start or end. It lives beside the job's own workflow: nothing that happens here changes
 * or delays the job. Fails with the last answer when the receiver took nothing for a day; a reset tries again.
 */
export async function postWebhook(webhook: WebhookRef): Promise<void> {
  await receiver.postWebhook(webhook);
}
