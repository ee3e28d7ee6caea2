/** Jobs that are asked for under a client's own key, and the list of a consumer's jobs. */

import { sql } from 'kysely';
import type { JobSpec } from '../../workflows/contract/spec.ts';
import { listedColumns, newJobValues, selfTest, toJobRow, type JobRow, type JobsDeps } from './jobs.ts';

/** `other`: the key was used before, for another request. */
export interface KeyedReservation {
  readonly kind: 'new' | 'same' | 'other';
}

/** A request, and the digest that tells it from others under its key. */
export interface KeyedRequest {
  readonly spec: JobSpec;
  readonly requestDigest: string;
}

/** @returns the digest of the request that a job was asked for with; null for an unknown job, or one without a key */
export const readRequestDigest = ({ db }: JobsDeps) =>
  async function readRequestDigest(jobId: string): Promise<string | null> {
    const row = await db.selectFrom('jobs').select('request_digest').where('job_id', '=', jobId).executeTakeFirst();
    return row?.request_digest ?? null;
  };

/** Writes the job's row unless it is there; of any number of requests under one key the first one counts. Spends no nonce. */
export const reserveKeyedJob = (deps: JobsDeps) =>
  async function reserveKeyedJob({ spec, requestDigest }: KeyedRequest): Promise<KeyedReservation> {
    const inserted = await deps.db
      .insertInto('jobs')
      .values({ ...newJobValues(deps, spec), request_digest: requestDigest })
      .onConflict((conflict) => conflict.doNothing())
      .returning('job_id')
      .executeTakeFirst();
    if (inserted !== undefined) return { kind: 'new' };
    return { kind: (await readRequestDigest(deps)(spec.jobId)) === requestDigest ? 'same' : 'other' };
  };

/** Which of a consumer's jobs to list. */
export interface JobListFilter {
  readonly owner: string;
  /** accepted jobs in one of these states; absent: every job that was not refused */
  readonly statuses?: readonly number[];
  readonly environmentId?: string;
  /** lists what comes behind this job of the owner's; behind an unknown one comes nothing */
  readonly after?: string;
}

/** A consumer's jobs that were not refused, newest first; the order is total, so pages neither repeat nor skip. */
export const listJobs = ({ db }: JobsDeps) =>
  async function listJobs({ owner, statuses, environmentId, after }: JobListFilter, limit: number): Promise<readonly JobRow[]> {
    let query = db
      .selectFrom('jobs')
      .select(listedColumns)
      .where('owner', '=', owner.toLowerCase())
      .where('surface', '<>', selfTest)
      .where('admission_state', '<>', 'refused');
    if (statuses !== undefined)
      query = query.where('admission_state', '=', 'accepted').where(sql<boolean>`status = any(${statuses}::int[])`);
    if (environmentId !== undefined) query = query.where('environment_id', '=', environmentId);
    if (after !== undefined) {
      query = query.where(
        sql<boolean>`(created_at, job_id) < (select created_at, job_id from jobs where job_id = ${after} and owner = ${owner.toLowerCase()})`,
      );
    }
    const rows = await query.orderBy('created_at', 'desc').orderBy('job_id', 'desc').limit(limit).execute();
    return rows.map(toJobRow);
  };
