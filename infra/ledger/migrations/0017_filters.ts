/** What filtered the outputs of a pod before they left. */

import { sql, type Kysely } from 'kysely';

export const up = async (db: Kysely<unknown>): Promise<void> => {
  // null: nothing did
  await sql`alter table pod_facts add column filters jsonb`.execute(db);
};
