/** Transactions that the service sends, the next nonce of each key that sends them, and what jobs paid. */

import { sql, type Kysely } from 'kysely';

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
    create table transaction_senders (
      chain_id bigint not null,
      address text not null check (address = lower(address)),
      next_nonce bigint not null check (next_nonce >= 0),
      primary key (chain_id, address)
    )`.execute(db);
  await sql`
    create table transactions (
      key text primary key,
      chain_id bigint not null,
      sender text not null check (sender = lower(sender)),
      nonce bigint,
      call jsonb,
      attempts jsonb not null default '[]',
      outcome jsonb,
      created_at timestamptz not null default clock_timestamp()
    )`.execute(db);
  await sql`create index transactions_open on transactions (chain_id, sender, nonce) where outcome is null`.execute(db);
  await sql`alter table jobs add column payment jsonb`.execute(db);
};
