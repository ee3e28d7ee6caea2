/** The end of what a load leaves behind it: what is measured next must not wait for it. */

import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { connectLedger } from '../../infra/ledger/connect.ts';
import type { Stack } from '../../infra/toolchain/stack.ts';

const patienceMs = 300_000;
const lookMs = 500;

/**
 * Waits until each job is refused, or runs, or knows its place in the queue.
 * @returns how many do not after five minutes
 */
export const awaitCalm = async ({ databaseUrl }: Pick<Stack, 'databaseUrl'>): Promise<number> => {
  const database = connectLedger(databaseUrl, () => undefined, { maxConnections: 1 });
  const deadline = performance.now() + patienceMs;
  const countRestless = async (): Promise<number> => {
    const { rows } = await sql<{ count: number }>`
      select count(*)::integer as count from jobs
      where finished_at is null and (admission_state = 'pending' or (not has_place and reason not like 'queued: %'))`.execute(database.db);
    return rows[0]?.count ?? 0;
  };
  try {
    for (;;) {
      const count = await countRestless();
      if (count === 0 || performance.now() > deadline) return count;
      await delay(lookMs);
    }
  } finally {
    await database.close();
  }
};
