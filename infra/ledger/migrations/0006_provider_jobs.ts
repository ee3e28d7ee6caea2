/** Jobs of legacy Providers, what is known of their files, and the nonces with which these are fetched. */

import { sql, type Kysely } from 'kysely';

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`alter table jobs add column provider_address text`.execute(db);
  await sql`create index jobs_provider on jobs (provider_address, owner, created_at desc) where provider_address is not null`.execute(db);
  await sql`
    create table provider_listings (
      job_id text primary key references jobs (job_id) on delete cascade,
      listing jsonb not null
    )`.execute(db);
  await sql`
    create table provider_nonces (
      provider text not null,
      address text not null check (address = lower(address)),
      nonce numeric(78, 0) not null,
      asking_until timestamptz not null,
      primary key (provider, address)
    )`.execute(db);
};
