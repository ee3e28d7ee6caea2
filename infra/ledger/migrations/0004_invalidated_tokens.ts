/** Auth tokens that were invalidated before their end; all others are known by their signature alone. */

import { sql, type Kysely } from 'kysely';

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
    create table invalidated_tokens (
      token_id text primary key,
      expires_at timestamptz not null
    )`.execute(db);
  await sql`create index invalidated_tokens_expiry on invalidated_tokens (expires_at)`.execute(db);
};
