/** What is remembered of other Providers: where a job's files are, and the nonces that our key has used there. */

import { sql } from 'kysely';
import type { ProviderListing } from '../../workflows/contract/spec.ts';
import type { JobsDeps } from './jobs.ts';

/** @returns null as long as nothing was stored */
export const readProviderListing = ({ db }: JobsDeps) =>
  async function readProviderListing(jobId: string): Promise<ProviderListing | null> {
    const row = await db.selectFrom('provider_listings').select('listing').where('job_id', '=', jobId).executeTakeFirst();
    return row?.listing ?? null;
  };

/** Stores a job's listing, once: every pod of the job and every replica stages the same files. */
export const storeProviderListing = ({ db }: JobsDeps) =>
  async function storeProviderListing(jobId: string, listing: ProviderListing): Promise<void> {
    await db
      .insertInto('provider_listings')
      .values({ job_id: jobId, listing: JSON.stringify(listing) })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  };

/** Our key at one Provider. */
export interface ProviderKey {
  /** base URL */
  readonly provider: string;
  readonly address: string;
}

/**
 * Takes the next nonce, for one request: no other is given until it is released, or its time is over.
 * @param terms `above`: a nonce that the Provider has seen, decimal text
 * @returns milliseconds since the epoch, or more; null while a request of another process may be on its way
 */
export const takeProviderNonce = ({ db }: JobsDeps) =>
  async function takeProviderNonce(
    { provider, address }: ProviderKey,
    { above, holdSeconds }: { readonly above: string; readonly holdSeconds: number },
  ): Promise<string | null> {
    const { rows } = await sql<{ readonly nonce: string }>`
      insert into provider_nonces (provider, address, nonce, asking_until)
      values (
        ${provider}, ${address.toLowerCase()},
        greatest(floor(extract(epoch from clock_timestamp()) * 1000), ${above}::numeric + 1),
        clock_timestamp() + make_interval(secs => ${holdSeconds})
      )
      on conflict (provider, address) do update
        set nonce = greatest(provider_nonces.nonce + 1, excluded.nonce), asking_until = excluded.asking_until
        where provider_nonces.asking_until <= clock_timestamp()
      returning nonce`.execute(db);
    return rows[0]?.nonce ?? null;
  };

/** Lets others ask. Safe to repeat, and too late. */
export const releaseProviderNonce = ({ db }: JobsDeps) =>
  async function releaseProviderNonce({ provider, address }: ProviderKey, nonce: string): Promise<void> {
    await db
      .updateTable('provider_nonces')
      .set({ asking_until: sql<Date>`clock_timestamp()` })
      .where('provider', '=', provider)
      .where('address', '=', address.toLowerCase())
      .where(sql<boolean>`nonce = ${nonce}::numeric`)
      .execute();
  };
