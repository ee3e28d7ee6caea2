/** Nonces: strictly growing per lower-cased address, compared and stored in one statement, kept for ever. */

import { sql, type Transaction } from 'kysely';
import type { JobSpec } from '../../workflows/contract/spec.ts';
import { newJobValues, type JobsDeps } from './jobs.ts';
import type { LedgerDatabase } from './schema.ts';

/** `spent` false tells the nonce that is stored; the given one was not above it. */
export type SpentNonce = { readonly spent: true } | { readonly spent: false; readonly stored: string };

/** @returns the last nonce of an address as decimal text, or null for an address that never signed */
export const nonceOf = ({ db }: JobsDeps) =>
  async function nonceOf(address: string): Promise<string | null> {
    const row = await db.selectFrom('nonces').select('nonce').where('address', '=', address.toLowerCase()).executeTakeFirst();
    return row?.nonce ?? null;
  };

interface Spending {
  readonly address: string;
  readonly nonce: string;
  readonly jobId: string | null;
}

const compareAndSet = async (db: JobsDeps['db'] | Transaction<LedgerDatabase>, { address, nonce, jobId }: Spending): Promise<boolean> => {
  const row = await db
    .insertInto('nonces')
    .values({ address: address.toLowerCase(), nonce, job_id: jobId })
    .onConflict((conflict) =>
      conflict
        .column('address')
        .doUpdateSet({ nonce, job_id: jobId })
        .where(sql<boolean>`nonces.nonce < ${nonce}::numeric`),
    )
    .returning('nonce')
    .executeTakeFirst();
  return row !== undefined;
};

/** True when this nonce was spent on this job: the same request again, and no replay. */
const isSpentOn = async (db: JobsDeps['db'] | Transaction<LedgerDatabase>, { address, nonce, jobId }: Spending): Promise<boolean> => {
  const row = await db
    .selectFrom('nonces')
    .select('job_id')
    .where('address', '=', address.toLowerCase())
    .where(sql<boolean>`nonce = ${nonce}::numeric`)
    .executeTakeFirst();
  return jobId !== null && row?.job_id === jobId;
};

/**
 * Spends a nonce: of any number of calls with one nonce exactly one succeeds, unless they are for one and the same job.
 * @param nonce decimal text of a non-negative integer
 * @param jobId the job that was asked for with it; null for everything else that is signed
 */
export const spendNonce = (deps: JobsDeps) =>
  async function spendNonce(address: string, nonce: string, jobId: string | null = null): Promise<SpentNonce> {
    const spending = { address, nonce, jobId };
    if ((await compareAndSet(deps.db, spending)) || (await isSpentOn(deps.db, spending))) return { spent: true };
    return { spent: false, stored: (await nonceOf(deps)(address)) ?? '0' };
  };

/** Outcome of `reserveJob`: `same` is a repetition of the request that spent this nonce. */
export type Reservation = { readonly kind: 'new' | 'same' } | { readonly kind: 'stale'; readonly stored: string };

const insertJob = async (deps: JobsDeps, db: JobsDeps['db'] | Transaction<LedgerDatabase>, spec: JobSpec): Promise<Reservation> => {
  const inserted = await db
    .insertInto('jobs')
    .values(newJobValues(deps, spec))
    .onConflict((conflict) => conflict.doNothing())
    .returning('job_id')
    .executeTakeFirst();
  return { kind: inserted === undefined ? 'same' : 'new' };
};

/**
 * Spends the nonce on a job and writes the job's row, both or neither. The pair of nonce and job id that was
 * stored before is no replay: it gets the same job.
 * @param request `nonce` null: nothing was signed for this job, so there is nothing to spend
 */
export const reserveJob = (deps: JobsDeps) =>
  async function reserveJob({ spec, nonce }: { readonly spec: JobSpec; readonly nonce: string | null }): Promise<Reservation> {
    if (nonce === null) return insertJob(deps, deps.db, spec);
    return deps.db.transaction().execute(async (trx): Promise<Reservation> => {
      const spending = { address: spec.consumerAddress, nonce, jobId: spec.jobId };
      if ((await compareAndSet(trx, spending)) || (await isSpentOn(trx, spending))) return insertJob(deps, trx, spec);
      // a job's id is derived from its nonce: a job that is known was reserved under this nonce, now or long ago
      const known = await trx.selectFrom('jobs').select('job_id').where('job_id', '=', spec.jobId).executeTakeFirst();
      if (known !== undefined) return { kind: 'same' };
      const row = await trx
        .selectFrom('nonces')
        .select('nonce')
        .where('address', '=', spec.consumerAddress.toLowerCase())
        .executeTakeFirstOrThrow();
      return { kind: 'stale', stored: row.nonce };
    });
  };
