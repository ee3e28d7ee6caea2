import { log } from '@temporalio/activity';
import { keepAlive } from './keepAlive.ts';

/** A job whose time is over, as the ledger orders them. */
export interface ExpiredJob {
  readonly jobId: string;
  readonly expiresAt: string;
}

/** An expired job, and the name of the store that has its files; null: nothing was ever stored. */
export interface OverdueJob extends ExpiredJob {
  readonly store: string | null;
}

export interface ExpireJobsDeps {
  readonly retention: {
    expiredJobs(limit: number, after: ExpiredJob | null): Promise<readonly OverdueJob[]>;
    reduceJob(jobId: string): Promise<void>;
    recordFilesRemoved(jobId: string): Promise<void>;
  };
  readonly storedFiles: {
    /** Removes everything stored for a job in the store of that name. Tolerates absence. */
    remove(job: { readonly store: string; readonly jobId: string }): Promise<void>;
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

/** Failures in a row of each store, and the last one of those that are given up. */
class StoreFailures {
  private readonly inARow = new Map<string, number>();
  private readonly away = new Map<string, unknown>();

  /** @throws what the store said last, where it is given up: it is not asked again */
  async watch(store: string, work: () => Promise<void>): Promise<void> {
    if (this.away.has(store)) throw this.away.get(store);
    try {
      await work();
      this.inARow.delete(store);
    } catch (err) {
      const inARow = (this.inARow.get(store) ?? 0) + 1;
      this.inARow.set(store, inARow);
      if (inARow === mostFailures) this.away.set(store, err);
      throw err;
    }
  }

  throwIfAway(): void {
    for (const err of this.away.values()) throw err;
  }
}

/** The row first: what is secret goes even while the store is away. */
const expire = async ({ retention, storedFiles }: ExpireJobsDeps, { jobId, store }: OverdueJob, failures: StoreFailures): Promise<void> => {
  await retention.reduceJob(jobId);
  if (store !== null) await failures.watch(store, () => storedFiles.remove({ store, jobId }));
  await retention.recordFilesRemoved(jobId);
};

/**
 * Removes results and secrets of jobs whose time is over, a batch of them. A job whose files cannot be removed is
 * found again in the next round and keeps no other waiting, and neither does a store that is away: the last batch
 * fails for it once the jobs of all others are done. Safe to repeat.
 */
export const expireJobs = (deps: ExpireJobsDeps) =>
  async function expireJobs({ after }: { readonly after: ExpiredJob | null }): Promise<ExpiredBatch> {
    return keepAlive(async () => {
      const jobs = await deps.retention.expiredJobs(batch, after);
      const failures = new StoreFailures();
      let [expired, failed] = [0, 0];
      for (const job of jobs) {
        try {
          await expire(deps, job, failures);
          expired += 1;
          deps.expiryCounts.inc({ outcome: 'expired' });
        } catch (err) {
          failed += 1;
          deps.expiryCounts.inc({ outcome: 'failed' });
          log.warn('results of an expired job cannot be removed yet', { jobId: job.jobId, store: job.store, err });
        }
      }
      const last = jobs.at(-1);
      if (jobs.length === batch && last !== undefined) return { expired, failed, next: { jobId: last.jobId, expiresAt: last.expiresAt } };
      failures.throwIfAway();
      return { expired, failed, next: null };
    });
  };
