/** The end of a job's results: when it comes, who moves it, and what of the job is left then. */

import { sql } from 'kysely';
import { jobChannel, type JobsDeps } from './jobs.ts';

/** A job whose time is over; a place in the order in which they are gone through. */
export interface ExpiredJob {
  readonly jobId: string;
  /** as the database writes it, to its last digit */
  readonly expiresAt: string;
}

/** An expired job, and the name of the store that has its files; null: nothing was ever stored. */
export interface OverdueJob extends ExpiredJob {
  readonly store: string | null;
}

const now = sql<Date>`clock_timestamp()`;

/** Refused jobs and self-tests store nothing, and name a store that an installation may not have. */
const storeOfFiles = sql<string | null>`case when admission_state = 'accepted' and surface <> 'selfTest' then store end`;

/** Jobs whose time is over and whose files are still there, the longest overdue first. @param after where to go on */
export const expiredJobs = ({ db }: JobsDeps) =>
  async function expiredJobs(limit: number, after: ExpiredJob | null): Promise<readonly OverdueJob[]> {
    let query = db
      .selectFrom('jobs')
      .select(['job_id', storeOfFiles.as('store'), sql<string>`expires_at::text`.as('expires_at')])
      .where('expires_at', '<=', now)
      .where('files_removed_at', 'is', null);
    if (after !== null) {
      query = query.where(sql<boolean>`(expires_at, job_id) > (${after.expiresAt}::timestamptz, ${after.jobId})`);
    }
    const rows = await query.orderBy('expires_at').orderBy('job_id').limit(limit).execute();
    return rows.map((row) => ({ jobId: row.job_id, store: row.store, expiresAt: row.expires_at }));
  };

/**
 * Of a result: size and digest, so that a file that somebody shows can be told to be it. Names may say what is in them, and by a CID it could still be
 * fetched from whoever keeps a copy.
 */
const withoutNames = sql<string>`(select jsonb_agg(entry - 'filename' - 'cid' - 'directoryCid') from jsonb_array_elements(results) as entry)`;

/**
 * Reduces an expired job to what has to be accounted for: id, consumer, environment, orders, DIDs, resources, status,
 * times, sizes and digests. The sealed request, assets, metadata, viewers, live log and addresses of files go.
 * Changes nothing of a job whose time is not over. Safe to repeat.
 */
export const reduceJob = ({ db }: JobsDeps) =>
  async function reduceJob(jobId: string): Promise<void> {
    await db.transaction().execute(async (trx) => {
      const { numUpdatedRows } = await trx
        .updateTable('jobs')
        .set({
          ...{
            spec: Buffer.alloc(0),
            registry_credentials: null,
            output_target: null,
            delivery: null,
            admission: null,
            progress: null,
            metadata: null,
            additional_viewers: '[]',
          },
          ...{ results: withoutNames, reduced_at: sql<Date>`coalesce(reduced_at, clock_timestamp())` },
        })
        .where('job_id', '=', jobId)
        .where('expires_at', '<=', now)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) return;
      await trx.deleteFrom('job_logs').where('job_id', '=', jobId).execute();
      await trx.deleteFrom('provider_listings').where('job_id', '=', jobId).execute();
    });
  };

/** Remembers that the store has nothing of an expired job any more. */
export const recordFilesRemoved = ({ db }: JobsDeps) =>
  async function recordFilesRemoved(jobId: string): Promise<void> {
    await db.updateTable('jobs').set({ files_removed_at: now }).where('job_id', '=', jobId).where('expires_at', '<=', now).execute();
  };

/**
 * Moves the end of an ended job's results.
 * @param until null: at once
 * @returns false when there is nothing to move: the job has not ended, or its time is over
 */
export const setExpiry = ({ db }: JobsDeps) =>
  async function setExpiry(jobId: string, until: Date | null): Promise<boolean> {
    const moved = await db
      .updateTable('jobs')
      .set({ expires_at: until ?? now })
      .where('job_id', '=', jobId)
      .where('finished_at', 'is not', null)
      .where('expires_at', '>', now)
      .returning(sql`pg_notify(${jobChannel}, job_id)`.as('announced'))
      .executeTakeFirst();
    return moved !== undefined;
  };
