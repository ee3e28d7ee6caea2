/** Credentials with which an algorithm's image is pulled. */

import { sql, type Kysely } from 'kysely';

export const up = async (db: Kysely<unknown>): Promise<void> => {
  // null: none, or the job has ended
  await sql`alter table jobs add column registry_credentials bytea`.execute(db);
};
