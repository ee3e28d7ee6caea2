/** What has become of outputs that are to be assets. */

import { sql, type Kysely } from 'kysely';

export const up = async (db: Kysely<unknown>): Promise<void> => {
  // null: the job makes no asset
  await sql`alter table jobs add column asset jsonb`.execute(db);
};
