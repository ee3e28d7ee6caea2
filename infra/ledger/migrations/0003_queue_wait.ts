/** How long a job may wait for a place, as it was asked; clients read it. */

import { sql, type Kysely } from 'kysely';

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`alter table jobs add column queue_seconds integer not null default 0`.execute(db);
};
