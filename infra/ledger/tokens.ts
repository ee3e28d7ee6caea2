/** Invalidated auth tokens, kept until they would have ended anyway. */

import { sql } from 'kysely';
import { gather } from './gather.ts';
import type { JobsDeps } from './jobs.ts';

/** Remembers that a token is dead, and forgets those whose time is over. Safe to repeat. */
export const invalidateToken = ({ db }: JobsDeps) =>
  async function invalidateToken(tokenId: string, expiresAtMs: number): Promise<void> {
    await db
      .insertInto('invalidated_tokens')
      .values({ token_id: tokenId, expires_at: new Date(expiresAtMs) })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    // a day of grace: the clocks of API and database may differ
    await db
      .deleteFrom('invalidated_tokens')
      .where('expires_at', '<', sql<Date>`clock_timestamp() - interval '1 day'`)
      .execute();
  };

/** True for a token that was invalidated, also by another process. */
export const isTokenInvalidated = ({ db }: JobsDeps) => {
  const find = gather(async (tokenIds) => {
    const rows = await db
      .selectFrom('invalidated_tokens')
      .select('token_id')
      .where(sql<boolean>`token_id = any(${tokenIds}::text[])`)
      .execute();
    return new Map(rows.map((row) => [row.token_id, true]));
  });
  return async function isTokenInvalidated(tokenId: string): Promise<boolean> {
    return (await find(tokenId)) !== null;
  };
};
