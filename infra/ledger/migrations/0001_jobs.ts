/** Jobs, nonces and live logs. */

import { sql, type Kysely } from 'kysely';

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
    create table jobs (
      job_id text primary key check (job_id ~ '^[0-9a-f]{32}$'),
      owner text not null,
      owner_text text not null,
      environment_id text not null,
      is_free boolean not null,
      chain_id bigint,
      surface text not null,
      spec bytea not null,
      admission_state text not null default 'pending' check (admission_state in ('pending', 'accepted', 'refused')),
      refusal_type text,
      admission jsonb,
      agreement_id text,
      algorithm_did text not null,
      input_dids jsonb not null,
      status integer not null,
      sequence bigint not null default 0,
      reason text not null,
      pod_attempt integer not null default 0,
      has_place boolean not null default false,
      stop_requested boolean not null default false,
      progress jsonb,
      phases jsonb not null,
      results jsonb,
      results_pod_attempt integer,
      termination jsonb,
      run_seconds integer,
      resources jsonb not null,
      metadata jsonb,
      additional_viewers jsonb not null,
      algorithm_started_at timestamptz,
      algorithm_finished_at timestamptz,
      created_at timestamptz not null default clock_timestamp(),
      finished_at timestamptz
    )`.execute(db);
  await sql`create index jobs_owner on jobs (owner, created_at desc) where admission_state = 'accepted'`.execute(db);
  await sql`create index jobs_agreement on jobs (agreement_id) where agreement_id is not null`.execute(db);
  // one unfinished job per agreement, whatever the surface and however the requests race
  await sql`
    create unique index jobs_open_agreement on jobs (agreement_id)
    where admission_state = 'accepted' and finished_at is null and agreement_id <> ''`.execute(db);
  await sql`create index jobs_open on jobs (environment_id, is_free) where finished_at is null`.execute(db);
  await sql`
    create table nonces (
      address text primary key check (address = lower(address)),
      nonce numeric(78, 0) not null check (nonce >= 0),
      job_id text
    )`.execute(db);
  await sql`
    create table job_logs (
      job_id text not null references jobs (job_id) on delete cascade,
      pod_attempt integer not null,
      start_offset bigint not null,
      bytes bytea not null,
      primary key (job_id, pod_attempt, start_offset)
    )`.execute(db);
};
