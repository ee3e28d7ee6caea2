import { log } from '@temporalio/activity';
import type { JobRecord } from '../workflows/contract/job.ts';
import type { QueueRef } from '../workflows/contract/queue.ts';
import { status } from '../workflows/contract/status.ts';
import { keepAlive } from './keepAlive.ts';

/** An unfinished job of the ledger. */
interface OpenJob {
  readonly jobId: string;
  readonly environmentId: string;
  readonly isFree: boolean;
  readonly admission: 'pending' | 'accepted' | 'refused';
  readonly podAttempt: number;
}

export interface RepairJobsDeps {
  readonly openJobs: {
    openJobs(olderThanMs: number, limit: number): Promise<readonly OpenJob[]>;
    /** Drops live logs of jobs that ended before `before`. */
    dropEndedLogs(before: Date): Promise<void>;
  };
  readonly workflows: { isOpen(jobId: string): Promise<boolean> };
  readonly starts: {
    /** Starts a job that was asked for and never judged, or tells why it cannot be started. */
    startJob(jobId: string): Promise<{ readonly kind: 'started' } | { readonly kind: 'refused'; type: string; message: string }>;
  };
  readonly records: { recordJob(record: JobRecord): Promise<void> };
  readonly refusals: { refuseJob(jobId: string, refusal: { readonly type: string; readonly reason: string }): Promise<void> };
  readonly locks: {
    /** Gives back what may be locked for a job, as `releasePayment` does; a job that was never judged has nothing. */
    releaseLock(jobId: string): Promise<void>;
  };
  readonly queues: {
    releasePlace(queue: QueueRef, jobId: string): Promise<void>;
    /** Makes sure that a queue runs; one that was ended by hand recalls who waits. */
    wake(queue: QueueRef): Promise<void>;
  };
}

const batch = 200;
const logsKeptMs = 3_600_000;

const queueOf = ({ environmentId, isFree }: OpenJob): QueueRef => ({ environmentId, kind: isFree ? 'free' : 'paid' });

/** Starts a job whose request got no further than the ledger. */
const begin = async ({ starts, refusals, locks }: RepairJobsDeps, { jobId, isFree }: OpenJob): Promise<void> => {
  log.warn('starting a job that has no workflow', { jobId });
  const outcome = await starts.startJob(jobId);
  if (outcome.kind === 'started') return;
  if (!isFree) await locks.releaseLock(jobId);
  await refusals.refuseJob(jobId, { type: outcome.type, reason: outcome.message });
};

/** Ends a job whose workflow is gone: clients must not wait for ever, and others need its place. */
const end = async ({ records, queues, locks }: RepairJobsDeps, job: OpenJob): Promise<void> => {
  const { jobId, podAttempt, isFree } = job;
  log.warn('ending a job without a workflow', { jobId });
  if (!isFree) await locks.releaseLock(jobId);
  const reason = 'the job lost its workflow; start it again';
  const lost = { status: status.lost, reason, exitCode: null, oomKilled: false };
  await records.recordJob({ jobId, podAttempt, status: status.lost, reason, end: lost });
  await queues.releasePlace(queueOf(job), jobId);
};

/** @returns 1, or 0 for a job that has to wait for the next round: others do not wait for it */
const repair = async (deps: RepairJobsDeps, job: OpenJob): Promise<number> => {
  try {
    await (job.admission === 'pending' ? begin(deps, job) : end(deps, job));
    return 1;
  } catch (err) {
    if (job.isFree) throw err;
    log.warn('a paid job without a workflow cannot be repaired now', { jobId: job.jobId, err });
    return 0;
  }
};

/**
 * Starts or ends jobs of the ledger that have no workflow: one that was never judged begins, one whose workflow was
 * terminated by hand or lost with its namespace is over. Queues that jobs wait in are kept running. Safe to repeat.
 * @returns how many jobs were repaired; more than zero is an alert
 */
export const repairJobs = (deps: RepairJobsDeps) =>
  async function repairJobs({ olderThanSeconds }: { readonly olderThanSeconds: number }): Promise<{ readonly repaired: number }> {
    return keepAlive(async () => {
      const awaited = new Map<string, QueueRef>();
      let repaired = 0;
      for (const job of await deps.openJobs.openJobs(olderThanSeconds * 1_000, batch)) {
        if (await deps.workflows.isOpen(job.jobId)) {
          const queue = queueOf(job);
          if (job.admission === 'accepted' && job.podAttempt === 0) awaited.set(`${queue.environmentId}/${queue.kind}`, queue);
          continue;
        }
        repaired += await repair(deps, job);
      }
      for (const queue of awaited.values()) await deps.queues.wake(queue);
      await deps.openJobs.dropEndedLogs(new Date(Date.now() - logsKeptMs));
      return { repaired };
    });
  };
