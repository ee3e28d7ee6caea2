/** Assets that jobs make of their outputs. */

import { sql, type Kysely } from 'kysely';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { JobAsset } from '../../workflows/contract/asset.ts';
import type { Admission, JobSpec } from '../../workflows/contract/spec.ts';
import { announced, isOver, openSpec, type JobsDeps } from './jobs.ts';
import type { LedgerDatabase, ResultEntry } from './schema.ts';

/** A finished job, as its asset is made of it. Times in milliseconds since the epoch. */
export interface Publication {
  readonly spec: JobSpec;
  readonly admission: Admission;
  readonly results: readonly ResultEntry[];
  readonly startedAtMs: number | null;
  readonly finishedAtMs: number;
  readonly asset: JobAsset;
}

/** @throws JobFailure `RequestInvalid` for a job that makes no asset, or has not ended */
export const readPublication = ({ db, keyring }: JobsDeps) =>
  async function readPublication(jobId: string): Promise<Publication> {
    const row = await db
      .selectFrom('jobs')
      .select(['spec', 'admission', 'results', 'asset', 'algorithm_started_at', 'finished_at', 'expires_at'])
      .where('job_id', '=', jobId)
      .executeTakeFirst();
    if (!row?.asset || row.admission === null || row.finished_at === null) {
      throw new JobFailure('RequestInvalid', `job ${jobId} has no outputs to publish as an asset`);
    }
    return {
      spec: openSpec(keyring, jobId, row.spec),
      admission: row.admission,
      // what is removed, or is about to be, can be nobody's asset
      results: isOver(row.expires_at) ? [] : (row.results ?? []),
      startedAtMs: row.algorithm_started_at?.getTime() ?? null,
      finishedAtMs: row.finished_at.getTime(),
      asset: row.asset,
    };
  };

/**
 * Writes how far a job's asset is. A published one stays as it is. From its NFT on the results of the job do not expire,
 * because they are the asset's files. Safe to repeat.
 */
export const recordAsset = ({ db }: JobsDeps) =>
  async function recordAsset(jobId: string, asset: JobAsset): Promise<void> {
    await db
      .with('told', (writer) =>
        writer
          .updateTable('jobs')
          .set({ asset: JSON.stringify(asset), ...(asset.nftAddress === null ? {} : { expires_at: null }) })
          .where('job_id', '=', jobId)
          .where(sql<boolean>`asset ->> 'state' <> 'published'`)
          .returning('job_id'),
      )
      .selectFrom('told')
      .select(announced)
      .execute();
  };

/** Where an asset's files are: one stored result. */
export interface AssetResult {
  /** of the asset that the job has made, or is making; null: none yet */
  readonly nftAddress: string | null;
  readonly podAttempt: number;
  /** name of the store that they lie in */
  readonly store: string;
  readonly results: readonly ResultEntry[];
}

/** @returns null for a job that makes no asset, and for one whose results are gone */
export const readAssetResults = ({ db }: { readonly db: Kysely<LedgerDatabase> }) =>
  async function readAssetResults(jobId: string): Promise<AssetResult | null> {
    const row = await db
      .selectFrom('jobs')
      .select(['asset', 'results', 'results_pod_attempt', 'store'])
      .where('job_id', '=', jobId)
      .executeTakeFirst();
    if (!row?.asset || row.results === null || row.results_pod_attempt === null) return null;
    return { nftAddress: row.asset.nftAddress, podAttempt: row.results_pod_attempt, results: row.results, store: row.store };
  };
