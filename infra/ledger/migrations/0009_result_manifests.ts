/** Signed manifests of results, and what they tell of a pod that the job's row does not. */

import { sql, type Kysely } from 'kysely';

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`alter table jobs add column published_at timestamptz`.execute(db);
  await sql`
    create table pod_facts (
      job_id text not null references jobs (job_id) on delete cascade,
      pod_attempt integer not null,
      staged jsonb,
      image text,
      primary key (job_id, pod_attempt)
    )`.execute(db);
  // no reference to the job: a manifest outlives everything else that is kept of it; json, because that keeps the bytes
  await sql`
    create table result_manifests (
      job_id text primary key,
      envelope json not null,
      made_at timestamptz not null default clock_timestamp()
    )`.execute(db);
};
