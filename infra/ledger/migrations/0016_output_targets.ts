/** Storage that consumers name for the outputs of their jobs. */

import { sql, type Kysely } from 'kysely';

export const up = async (db: Kysely<unknown>): Promise<void> => {
  // null: none is named, or the job has ended
  await sql`alter table jobs add column output_target bytea`.execute(db);
  // null: the outputs stay in the environment's store
  await sql`alter table jobs add column delivery jsonb`.execute(db);
};
