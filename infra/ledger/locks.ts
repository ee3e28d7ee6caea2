/** Locks that all processes of an installation share. */

import { sql } from 'kysely';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { JobsDeps } from './jobs.ts';
import { ledgerFailure } from './ledgerFailure.ts';

const usualPatienceMs = 10_000;
const lockNotAvailable = '55P03';

const isLockTimeout = (err: unknown): boolean => err instanceof Error && 'code' in err && err.code === lockNotAvailable;

const tooBusy = (cause: unknown): JobFailure =>
  new JobFailure('ServiceUnavailable', 'another process of the service is at work on the same: try again in a few seconds', {
    retryAfterSeconds: 2,
    cause,
  });

/**
 * Runs work while no other process runs any under the same name. The lock goes with its connection: nobody holds it after a
 * crash. Each holder and each who waits takes one connection.
 * @param patienceMs how long to wait for others, shorter than the driver waits for an answer
 * @throws what the work throws; JobFailure ServiceUnavailable while the database is away, or when others held the lock too long
 */
export const exclusively = ({ db }: Pick<JobsDeps, 'db'>, patienceMs = usualPatienceMs) =>
  async function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
    const [outcome] = await db
      .transaction()
      .execute(async (transaction) => {
        // before the driver gives up, which would leave a connection that gets the lock when nobody wants it any more
        await sql`set local lock_timeout = ${sql.lit(patienceMs)}`.execute(transaction);
        await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(transaction);
        return Promise.allSettled([work()]);
      })
      .catch((err: unknown) => {
        throw isLockTimeout(err) ? tooBusy(err) : ledgerFailure(err);
      });
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  };
