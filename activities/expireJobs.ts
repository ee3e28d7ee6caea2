import { log } from '@temporalio/activity';
import { keepAlive } from './keepAlive.ts';

/** A job whose time is over, as the ledger orders them. */
export interface ExpiredJob {
  readonly jobId: string;
  readonly expiresAt: string;
}

export interface ExpireJobsDeps {
  readonly retention: {
    expiredJobs(limit: number, after: ExpiredJob | null): Promise<readonly ExpiredJob[]>;
    reduceJob(jobId: string): Promise<void>;
    recordFilesRemoved(jobId: string): Promise<void>;
  };
  readonly storedFiles: {
    /** Removes everything stored for a job. Tolerates absence. */
    remove(job: { readonly jobId: string }): Promise<void>;
  };
  readonly expiryCounts: { inc(labels: { readonly outcome: 'expired' | 'failed' }): void };
}

/** What one batch did. `next` is where the following one goes on; null: there is none. */
export interface ExpiredBatch {
  readonly expired: number;
  readonly failed: number;
  readonly next: ExpiredJob | null;
}

const batch = 100;
/** So many failures in a row are the store's, not a job's. */
const mostFailures = 3;

/** The row first: what is secret goes even while the store is away. */
const expire = async ({ retention, storedFiles }: ExpireJobsDeps, jobId: string): Promise<void> => {
  await retention.reduceJob(jobId);
  await storedFiles.remove({ jobId });
  await retention.recordFilesRemoved(jobId);
};

/**
 * Removes results and secrets of jobs whose time is over, a batch of them. A job whose files cannot be removed is
 * found again in the next round and keeps no other waiting; while the store is away the batch fails. Safe to repeat.
 */
export const expireJobs = (deps: ExpireJobsDeps) =>
  async function expireJobs({ after }: { readonly after: ExpiredJob | null }): Promise<ExpiredBatch> {
    return keepAlive(async () => {
      const jobs = await deps.retention.expiredJobs(batch, after);
      let [expired, failed, inARow] = [0, 0, 0];
      for (const { jobId } of jobs) {
        try {
          await expire(deps, jobId);
          [expired, inARow] = [expired + 1, 0];
          deps.expiryCounts.inc({ outcome: 'expired' });
        } catch (err) {
          [failed, inARow] = [failed + 1, inARow + 1];
          deps.expiryCounts.inc({ outcome: 'failed' });
          if (inARow === mostFailures) throw err;
          log.warn('results of an expired job cannot be removed yet', { jobId, err });
        }
      }
      return { expired, failed, next: jobs.length < batch ? null : (jobs.at(-1) ?? null) };
    });
  };
