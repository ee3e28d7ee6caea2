/** Outputs on their way to storage that their consumer has named. */

import { sql } from 'kysely';
import type { Delivery, OutputTarget } from '../../workflows/contract/output.ts';
import { announced, isOver, openTarget, type JobsDeps } from './jobs.ts';
import type { ResultEntry } from './schema.ts';

/** What is to be delivered, and where to. */
export interface DeliveryOrder {
  readonly target: OutputTarget;
  readonly delivery: Delivery;
  readonly podAttempt: number;
  /** name of the store that has the files */
  readonly store: string;
  readonly results: readonly ResultEntry[];
  readonly publishedAtMs: number;
}

/** @returns null for a job that names no storage, and for one that published nothing */
export const readDeliveryOrder = ({ db, keyring }: JobsDeps) =>
  async function readDeliveryOrder(jobId: string): Promise<DeliveryOrder | null> {
    const row = await db
      .selectFrom('jobs')
      .select(['output_target', 'delivery', 'results', 'results_pod_attempt', 'store', 'published_at', 'expires_at'])
      .where('job_id', '=', jobId)
      .executeTakeFirst();
    if (!row?.output_target || row.delivery === null || row.results === null || row.results_pod_attempt === null) return null;
    if (isOver(row.expires_at)) return null;
    const { delivery, results, store } = row;
    return {
      ...{ delivery, results, store, podAttempt: row.results_pod_attempt },
      ...{ target: openTarget(keyring, jobId, row.output_target), publishedAtMs: row.published_at?.getTime() ?? 0 },
    };
  };

/** @returns the storage that a job names; null: none, or the job has ended */
export const readOutputTarget = ({ db, keyring }: JobsDeps) =>
  async function readOutputTarget(jobId: string): Promise<OutputTarget | null> {
    const row = await db.selectFrom('jobs').select('output_target').where('job_id', '=', jobId).executeTakeFirst();
    return row?.output_target ? openTarget(keyring, jobId, row.output_target) : null;
  };

/** Writes that the outputs have arrived: from then on the job's results are its logs. Safe to repeat. */
export const recordDelivery = ({ db }: JobsDeps) =>
  async function recordDelivery(
    jobId: string,
    { sizeBytes, sha256 }: { readonly sizeBytes: number; readonly sha256: string },
  ): Promise<void> {
    const arrived: Partial<Delivery> = { state: 'delivered', sizeBytes, sha256 };
    await db
      .with('told', (writer) =>
        writer
          .updateTable('jobs')
          .set({ delivery: sql<string>`delivery || ${JSON.stringify(arrived)}::jsonb` })
          .where('job_id', '=', jobId)
          .where(sql<boolean>`delivery ->> 'state' = 'asked'`)
          .returning('job_id'),
      )
      .selectFrom('told')
      .select(announced)
      .execute();
  };
