import { cancellationSignal } from '@temporalio/activity';
import { JobFailure } from '../workflows/contract/failures.ts';
import type { JobEvent, WebhookRef } from '../workflows/contract/job.ts';
import { statusText } from '../workflows/contract/status.ts';

/** What is told of a job; times in milliseconds since the epoch. */
interface ToldJob {
  readonly environmentId: string;
  readonly agreementId: string;
  readonly algorithmDid: string;
  readonly inputDids: readonly string[];
  readonly createdAtMs: number;
  readonly finishedAtMs: number | null;
  readonly status: number;
  readonly reason: string;
  readonly termination: { readonly exitCode: number | null; readonly OOMKilled: boolean } | null;
}

export interface PostWebhookDeps {
  readonly toldJobs: { readJob(jobId: string): Promise<ToldJob | null> };
  readonly webhooks: {
    /** events that the operator wants to hear of */
    readonly events: readonly JobEvent[];
    /** Signs and sends; resolves when the receiver has taken it. No error tells the address. */
    post(webhook: { readonly event: JobEvent; readonly delivery: string; readonly body: string }, signal: AbortSignal): Promise<void>;
  };
  readonly webhookCounts: { inc(labels: { readonly event: JobEvent; readonly outcome: 'delivered' | 'failed' }): void };
}

const endOf = ({ status, reason, termination, finishedAtMs }: ToldJob): object => ({
  ...{ status, statusText: statusText(status) },
  dateFinished: finishedAtMs === null ? null : String(finishedAtMs / 1_000),
  terminationDetails: { exitCode: termination?.exitCode ?? null, OOMKilled: termination?.OOMKilled ?? false, reason },
});

/** The same text whenever it is made, so that a repeated delivery has the same signature. Names as operator-engine had them. */
const bodyOf = ({ jobId, event }: WebhookRef, delivery: string, job: ToldJob): string =>
  JSON.stringify({
    ...{ event, delivery, jobId },
    algoDID: job.algorithmDid === '' ? null : job.algorithmDid,
    DID: job.inputDids,
    ...{ agreementId: job.agreementId, environment: job.environmentId },
    dateCreated: String(job.createdAtMs / 1_000),
    ...(event === 'stop' && endOf(job)),
  });

/** Tells the operator's receiver of a job's start or end. A receiver that hears it twice knows it by the delivery's id. */
export const postWebhook = ({ toldJobs, webhooks, webhookCounts }: PostWebhookDeps) =>
  async function postWebhook({ jobId, event }: WebhookRef): Promise<void> {
    const job = await toldJobs.readJob(jobId);
    if (job === null) throw new JobFailure('RequestInvalid', `there is no job ${jobId} to tell of`);
    const delivery = `${jobId}/${event}`;
    try {
      await webhooks.post({ event, delivery, body: bodyOf({ jobId, event }, delivery, job) }, cancellationSignal());
    } catch (err) {
      webhookCounts.inc({ event, outcome: 'failed' });
      throw err;
    }
    webhookCounts.inc({ event, outcome: 'delivered' });
  };
