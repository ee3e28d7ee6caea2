/** Where a job's results are, and the uploads that are under way. */

import { sql, type Kysely } from 'kysely';

export const up = async (db: Kysely<unknown>): Promise<void> => {
  // jobs from before stores had names are in the one that there was
  await sql`alter table jobs add column store text not null default 'default'`.execute(db);
  await sql`
    create table result_uploads (
      job_id text not null,
      pod_attempt integer not null,
      n integer not null,
      upload_id text not null,
      primary key (job_id, pod_attempt, n)
    )`.execute(db);
};
