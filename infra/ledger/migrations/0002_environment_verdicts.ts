/** What self-tests found out about each environment. */

import { sql, type Kysely } from 'kysely';

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
    create table environment_verdicts (
      environment_id text primary key,
      verdict text check (verdict in ('sealed', 'unsealed')),
      reason text not null default '',
      decided_at timestamptz,
      problem text,
      problem_at timestamptz,
      check ((verdict is null) = (decided_at is null)),
      check ((problem is null) = (problem_at is null))
    )`.execute(db);
  // self-tests are looked up by their environment when old ones are forgotten
  await sql`create index jobs_self_tests on jobs (environment_id, finished_at) where surface = 'selfTest'`.execute(db);
};
