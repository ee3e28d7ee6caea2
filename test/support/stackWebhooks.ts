/** What the receiver beside the shared stack was told. */

import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { StackDescription } from './stackDescription.ts';
import type { ReceivedWebhook } from './webhookReceiver.ts';

const patienceMs = 20_000;

/** Waits for both webhooks of a job that has ended. @returns the start, then the end */
export const webhooksOf = async ({ webhookLog }: StackDescription, jobId: string): Promise<readonly ReceivedWebhook[]> => {
  if (webhookLog === undefined) throw new Error('this stack has no receiver of webhooks');
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const lines = (await readFile(webhookLog, 'utf8')).split('\n').slice(0, -1);
    const received = lines.map((line) => JSON.parse(line) as ReceivedWebhook).filter(({ body }) => body.includes(jobId));
    if (received.length >= 2) return received.toSorted((left, right) => left.path.localeCompare(right.path));
    if (performance.now() > deadline) throw new Error(`of job ${jobId} only ${received.length} webhooks came`);
    await delay(50);
  }
};
