import { activityInfo, cancellationDetails, cancellationSignal, heartbeat, log } from '@temporalio/activity';
import type { Readable } from 'node:stream';
import { isJobFailure } from '../workflows/contract/failures.ts';
import type { PodRef } from '../workflows/contract/job.ts';
import type { Delivery, OutputTarget } from '../workflows/contract/output.ts';
import { status } from '../workflows/contract/status.ts';
import { keepAlive } from './keepAlive.ts';

interface ArchivedFile {
  readonly filename: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  read(): Promise<Readable>;
}

interface Parcel {
  readonly jobId: string;
  readonly target: OutputTarget;
  readonly contents: { readonly files: readonly ArchivedFile[]; readonly modifiedAtMs: number };
}

/** How far it is; the next attempt goes on from there. */
interface Progress {
  readonly uploadId: string;
  readonly bytes: number;
}

interface Order {
  readonly target: OutputTarget;
  readonly delivery: Delivery;
  readonly podAttempt: number;
  readonly store: string;
  readonly results: readonly {
    readonly filename: string;
    readonly filesize: number;
    readonly type: 'output' | 'algorithmLog';
    readonly n: number;
    readonly sha256: string;
  }[];
  readonly publishedAtMs: number;
}

export interface DeliverOutputsDeps {
  readonly deliveries: {
    /** What is to be delivered; null: nothing. */
    readDeliveryOrder(jobId: string): Promise<Order | null>;
    recordDelivery(jobId: string, delivered: { readonly sizeBytes: number; readonly sha256: string }): Promise<void>;
  };
  readonly published: {
    read(file: { readonly store: string; readonly jobId: string; readonly podAttempt: number; readonly n: number }): Promise<Readable>;
  };
  readonly outputTargets: {
    /** The same parcel is the same object: what has arrived is not sent again. */
    deliver(
      parcel: Parcel,
      following: {
        readonly resumed?: Progress | undefined;
        readonly onProgress: (progress: Progress) => void;
        readonly signal?: AbortSignal | undefined;
      },
    ): Promise<{ readonly sizeBytes: number; readonly sha256: string }>;
    /** Ends an upload that nobody will go on with. */
    abandon(parcel: Pick<Parcel, 'target' | 'jobId'>, uploadId: string): Promise<void>;
  };
  readonly records: {
    /** Says more about the state that a job is in; never moves it backward. */
    recordProgress(record: PodRef & { readonly status: number; readonly reason: string }): Promise<void>;
  };
}

const resumedProgress = (): Progress | undefined => {
  const details = Object(activityInfo().heartbeatDetails) as Partial<Progress>;
  return typeof details.uploadId === 'string' ? { uploadId: details.uploadId, bytes: 0 } : undefined;
};

const parcelOf = (
  jobId: string,
  { target, store, podAttempt, results, publishedAtMs }: Order,
  published: DeliverOutputsDeps['published'],
): Parcel => {
  const outputs = results.filter(({ type }) => type === 'output');
  const files = outputs.map(({ filename, filesize, sha256, n }) => ({
    ...{ filename, sizeBytes: filesize, sha256 },
    read: () => published.read({ store, jobId, podAttempt, n }),
  }));
  return { jobId, target, contents: { files, modifiedAtMs: publishedAtMs } };
};

/** What is in the way keeps the job waiting: clients read why. */
const reasonOf = (err: unknown): string =>
  isJobFailure(err)
    ? `${err.message}; it is tried again`
    : 'delivering the outputs met an unexpected error of the platform; it is tried again';

/** Whether this was the last attempt, as far as it knows: a failure is final, or leaves no time for another one. */
const isGivenUp = (err: unknown): boolean => {
  const cancelled = cancellationDetails();
  // the end of a worker is no end of the delivery
  if (cancelled !== undefined && (cancelled.cancelRequested || cancelled.notFound || cancelled.timedOut)) return true;
  if (isJobFailure(err) && err.retryAfterSeconds === undefined) return true;
  const { scheduledTimestampMs, scheduleToCloseTimeoutMs } = activityInfo();
  const pauseSeconds = isJobFailure(err) ? (err.retryAfterSeconds ?? 0) : 0;
  return Date.now() + pauseSeconds * 1_000 >= scheduledTimestampMs + scheduleToCloseTimeoutMs;
};

/** Best effort: what cannot be ended is left to the rules of the bucket. */
const abandon = async (
  { outputTargets }: DeliverOutputsDeps,
  parcel: Pick<Parcel, 'target' | 'jobId'>,
  uploadId: string,
): Promise<void> => {
  try {
    await outputTargets.abandon(parcel, uploadId);
  } catch (err) {
    log.warn('an upload to storage that a request named was given up and could not be ended', { cause: (err as Error).message });
  }
};

/**
 * Takes the outputs of a job from the environment's store to the storage that its consumer has named: afterwards they are
 * there, verified, and the ledger says so. Safe to repeat, at any point and from any process. An attempt that knows itself
 * to be the last one ends its upload when it fails.
 */
export const deliverOutputs = (deps: DeliverOutputsDeps) =>
  async function deliverOutputs(pod: PodRef): Promise<void> {
    const { deliveries, outputTargets, records } = deps;
    const { jobId } = pod;
    const tell = (reason: string): Promise<void> => records.recordProgress({ ...pod, status: status.publishing, reason });
    const order = await deliveries.readDeliveryOrder(jobId);
    if (order === null || order.delivery.state === 'delivered') return;
    let progress = resumedProgress();
    const onProgress = (news: Progress): void => {
      // an upload that nobody remembers is begun anew, and left
      if (news.uploadId !== progress?.uploadId) heartbeat(news);
      progress = news;
    };
    try {
      await tell('the outputs are on their way to the storage that the request named');
      const following = { resumed: progress, onProgress, signal: cancellationSignal() };
      const deliver = () => outputTargets.deliver(parcelOf(jobId, order, deps.published), following);
      await deliveries.recordDelivery(jobId, await keepAlive(deliver, () => progress));
    } catch (err) {
      if (progress !== undefined && isGivenUp(err)) await abandon(deps, { target: order.target, jobId }, progress.uploadId);
      await tell(reasonOf(err));
      throw err;
    }
  };
