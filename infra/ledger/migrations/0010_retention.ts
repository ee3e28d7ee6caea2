/** How long a job's results are kept, and what became of them. */

import { sql, type Kysely } from 'kysely';

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
    alter table jobs
      -- as it was announced when the job was asked for: later changes of the configuration shorten no promise
      add column storage_seconds integer not null default 604800,
      add column expires_at timestamptz,
      add column reduced_at timestamptz,
      add column files_removed_at timestamptz`.execute(db);
  // nothing was ever removed before this release: owners of old jobs have as much time as those of new ones
  await sql`
    update jobs set expires_at = clock_timestamp() + make_interval(secs => storage_seconds)
    where finished_at is not null`.execute(db);
  await sql`create index jobs_expiry on jobs (expires_at, job_id) where files_removed_at is null`.execute(db);
};
