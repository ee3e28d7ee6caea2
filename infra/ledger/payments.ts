/** What was locked for a job, what became of it, and the run that is paid for. */

import { sql } from 'kysely';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { PaymentState } from '../../workflows/contract/spec.ts';
import { announced, type JobsDeps } from './jobs.ts';

/** Shows what was locked. Safe to repeat: the first record stays. */
export const recordPayment = ({ db }: JobsDeps) =>
  async function recordPayment(jobId: string, payment: PaymentState): Promise<void> {
    await db
      .updateTable('jobs')
      .set({ payment: JSON.stringify(payment) })
      .where('job_id', '=', jobId)
      .where('payment', 'is', null)
      .execute();
  };

/** Shows what became of a lock; changes nothing for a job without one. */
export const recordSettlement = ({ db }: JobsDeps) =>
  async function recordSettlement(jobId: string, settled: Pick<PaymentState, 'claimTx' | 'cancelTx' | 'cost'>): Promise<void> {
    const { claimTx, cancelTx, cost } = settled;
    await db
      .with('moved', (writer) =>
        writer
          .updateTable('jobs')
          .set({ payment: sql<string>`payment || ${JSON.stringify({ claimTx, cancelTx, cost })}::jsonb` })
          .where('job_id', '=', jobId)
          .where('payment', 'is not', null)
          .returning('job_id'),
      )
      .selectFrom('moved')
      .select(announced)
      .execute();
  };

/**
 * Seconds that a job's algorithm ran in its last pod, by the clock of the pod's agent, never more than granted. An end
 * that nobody saw counts as none: then only the least that is charged is due.
 * @returns null when it never began
 * @throws JobFailure `RequestInvalid` for an unknown job
 */
export const readRunSeconds = ({ db }: JobsDeps) =>
  async function readRunSeconds(jobId: string): Promise<number | null> {
    const row = await db
      .selectFrom('jobs')
      .select(['algorithm_started_at', 'algorithm_finished_at', 'run_seconds'])
      .where('job_id', '=', jobId)
      .executeTakeFirst();
    if (row === undefined) throw new JobFailure('RequestInvalid', `job ${jobId} is not in the ledger`);
    const { algorithm_started_at: started, algorithm_finished_at: finished, run_seconds: granted } = row;
    if (started === null) return null;
    const seconds = finished === null ? 0 : Math.max(0, finished.getTime() - started.getTime()) / 1_000;
    return Math.min(seconds, granted ?? seconds);
  };
