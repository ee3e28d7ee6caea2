/** What the ledger shows of places and turns; who gets one is decided by the environment's queue, not here. */

import { sql } from 'kysely';
import type { PodRef } from '../../workflows/contract/job.ts';
import { longestQueue, positionText, type Claim, type KnownClaims, type Position, type QueueRef } from '../../workflows/contract/queue.ts';
import { status } from '../../workflows/contract/status.ts';
import { consumerKeyOf } from '../crypto/consumerKey.ts';
import { advance, announced, jobChannel, type JobsDeps } from './jobs.ts';

/**
 * Makes `podAttempt` the current one; older attempts' tokens are worth nothing afterwards. `hasPlace` marks the job as
 * one that has a place, from now until its end. Changes nothing when a later attempt is current or the job has ended.
 */
export const beginPodAttempt = ({ db }: JobsDeps) =>
  async function beginPodAttempt({ jobId, podAttempt, hasPlace }: PodRef & { readonly hasPlace: boolean }): Promise<void> {
    await db
      .with('moved', (writer) =>
        writer
          .updateTable('jobs')
          .set({
            has_place: hasPlace,
            pod_attempt: podAttempt,
            // what a lost pod did and listed counts no more, nor is it billed: its successor runs and lists its own
            algorithm_started_at: sql<Date | null>`case when pod_attempt < ${podAttempt} then null else algorithm_started_at end`,
            algorithm_finished_at: sql<Date | null>`case when pod_attempt < ${podAttempt} then null else algorithm_finished_at end`,
            results: sql<string | null>`case when pod_attempt < ${podAttempt} then null else results end`,
            results_pod_attempt: sql<number | null>`case when pod_attempt < ${podAttempt} then null else results_pod_attempt end`,
            ...advance(status.pullingImage, 'creating the execution pod', podAttempt),
          })
          .where('job_id', '=', jobId)
          .where('pod_attempt', '<=', podAttempt)
          .where('finished_at', 'is', null)
          .returning('job_id'),
      )
      .selectFrom('moved')
      .select(announced)
      .execute();
  };

/** Tells where jobs stand that wait; one that has a place meanwhile, or has ended, stays as it is. */
export const recordPositions = ({ db }: JobsDeps) =>
  async function recordPositions(positions: readonly Position[]): Promise<void> {
    const [jobIds, reasons] = [positions.map(({ jobId }) => jobId), positions.map(({ ahead }) => positionText(ahead))];
    await sql`
      with moved as (
        update jobs set reason = position.reason
        from unnest(${jobIds}::text[], ${reasons}::text[]) as position (job_id, reason)
        where jobs.job_id = position.job_id and jobs.finished_at is null and not jobs.has_place and jobs.pod_attempt = 0
          and jobs.reason <> position.reason
        returning jobs.job_id
      )
      select pg_notify(${jobChannel}, job_id) from moved`.execute(db);
  };

/** Accepted, unfinished jobs of a queue, oldest first; jobs of the service itself never queue. */
export const knownClaims = ({ db }: JobsDeps) =>
  async function knownClaims({ environmentId, kind }: QueueRef): Promise<KnownClaims> {
    const rows = await db
      .selectFrom('jobs')
      .select(['job_id', 'owner', 'has_place'])
      .where('environment_id', '=', environmentId)
      .where('is_free', '=', kind === 'free')
      .where('finished_at', 'is', null)
      .where('admission_state', '=', 'accepted')
      .where('surface', '<>', 'selfTest')
      .orderBy('created_at')
      .orderBy('job_id')
      .limit(2 * longestQueue)
      .execute();
    const claimsOf = (hasPlace: boolean): readonly Claim[] =>
      rows.filter((row) => row.has_place === hasPlace).map((row) => ({ jobId: row.job_id, consumerKey: consumerKeyOf(row.owner) }));
    return { holding: claimsOf(true), waiting: claimsOf(false).slice(0, longestQueue) };
  };
