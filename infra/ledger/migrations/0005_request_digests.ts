/** What was asked for under a client's own key, and the order in which a consumer's jobs are listed. */

import { sql, type Kysely } from 'kysely';

export const up = async (db: Kysely<unknown>): Promise<void> => {
  // null: a job that is named after a nonce, which the request itself is part of
  await sql`alter table jobs add column request_digest text`.execute(db);
  await sql`create index jobs_listed on jobs (owner, created_at desc, job_id desc) where surface <> 'selfTest'`.execute(db);
};
