/** Jobs that legacy Providers asked for: each belongs to its Provider and to its owner. */

import type { JobSpec } from '../../workflows/contract/spec.ts';
import { listedColumns, newJobValues, selfTest, toJobRow, type JobFilter, type JobRow, type JobsDeps } from './jobs.ts';

/** A job, and the lower-case address of the Provider that asked for it; null where nobody did. */
export interface ProviderJobRow extends JobRow {
  readonly providerAddress: string | null;
}

/** A job to reserve. */
export interface ProviderReservation {
  readonly spec: JobSpec;
  readonly providerAddress: string;
  readonly agreementId: string;
  /** as status objects tell it */
  readonly algorithmDid: string;
}

/** Writes the job's row; a job that is known stays as it is. Its nonce was spent before. */
export const reserveProviderJob = (deps: JobsDeps) =>
  async function reserveProviderJob({ spec, providerAddress, agreementId, algorithmDid }: ProviderReservation): Promise<void> {
    await deps.db
      .insertInto('jobs')
      .values({
        ...newJobValues(deps, spec),
        provider_address: providerAddress.toLowerCase(),
        agreement_id: agreementId.toLowerCase(),
        algorithm_did: algorithmDid,
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  };

const columns = [...listedColumns, 'provider_address'] as const;

/** @returns any job, whatever its admission, or null */
export const readProviderJob = ({ db }: JobsDeps) =>
  async function readProviderJob(jobId: string): Promise<ProviderJobRow | null> {
    const row = await db.selectFrom('jobs').select(columns).where('job_id', '=', jobId).where('surface', '<>', selfTest).executeTakeFirst();
    return row === undefined ? null : { ...toJobRow(row), providerAddress: row.provider_address };
  };

/** Jobs of one Provider that match every given key and were not refused, newest first. */
export const findProviderJobs = ({ db }: JobsDeps) =>
  async function findProviderJobs(filter: JobFilter & { readonly providerAddress: string }, limit: number): Promise<readonly JobRow[]> {
    let query = db
      .selectFrom('jobs')
      .select(listedColumns)
      .where('provider_address', '=', filter.providerAddress.toLowerCase())
      .where('admission_state', '<>', 'refused');
    if (filter.jobId !== undefined) query = query.where('job_id', '=', filter.jobId);
    if (filter.owner !== undefined) query = query.where('owner', '=', filter.owner.toLowerCase());
    if (filter.agreementId !== undefined) query = query.where('agreement_id', '=', filter.agreementId.toLowerCase());
    return (await query.orderBy('created_at', 'desc').orderBy('job_id').limit(limit).execute()).map(toJobRow);
  };

/** @returns id of the unfinished job that an agreement carries, of whatever surface, or null */
export const openJobOn = ({ db }: JobsDeps) =>
  async function openJobOn(agreementId: string): Promise<string | null> {
    const row = await db
      .selectFrom('jobs')
      .select('job_id')
      .where('agreement_id', '=', agreementId.toLowerCase())
      .where('admission_state', '=', 'accepted')
      .where('finished_at', 'is', null)
      .executeTakeFirst();
    return row?.job_id ?? null;
  };

/** Accepted, unfinished jobs of all surfaces, oldest first. For operators. */
export const runningJobs = ({ db }: JobsDeps) =>
  async function runningJobs(limit: number): Promise<readonly JobRow[]> {
    const rows = await db
      .selectFrom('jobs')
      .select(listedColumns)
      .where('finished_at', 'is', null)
      .where('admission_state', '=', 'accepted')
      .where('surface', '<>', selfTest)
      .orderBy('created_at')
      .limit(limit)
      .execute();
    return rows.map(toJobRow);
  };
