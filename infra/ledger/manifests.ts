/** Signed manifests, and the facts that they are made of. */

import { sql } from 'kysely';
import type { AskedFilter, Envelope, StagedFile } from '../../workflows/contract/manifest.ts';
import type { PodRef } from '../../workflows/contract/job.ts';
import type { Admission } from '../../workflows/contract/spec.ts';
import { isOver, listedColumns, selfTest, toJobRow, type JobRow, type JobsDeps } from './jobs.ts';

/** What is known of a job that has ended and published results. Nothing of it changes any more. */
export interface ManifestFacts {
  readonly row: JobRow;
  readonly admission: Admission;
  /** null: not told */
  readonly staged: readonly StagedFile[] | null;
  /** what the runtime says that it ran; null: not told */
  readonly image: string | null;
  /** in their order; null: none was asked */
  readonly filters: readonly AskedFilter[] | null;
  readonly publishedAtMs: number | null;
  readonly endedAtMs: number;
}

/** What may be remembered of a pod. */
type PodFact = 'staged' | 'filters' | 'image';

/** Remembers a fact of a pod. The first word counts. */
const rememberOnce = async ({ db }: JobsDeps, { jobId, podAttempt }: PodRef, [fact, value]: readonly [PodFact, string]): Promise<void> => {
  await db
    .insertInto('pod_facts')
    .values({ job_id: jobId, pod_attempt: podAttempt, [fact]: value })
    .onConflict((conflict) =>
      conflict
        .columns(['job_id', 'pod_attempt'])
        .doUpdateSet({ [fact]: sql`coalesce(${sql.ref(`pod_facts.${fact}`)}, ${sql.ref(`excluded.${fact}`)})` }),
    )
    .execute();
};

/** Remembers what was staged in a pod. The first word counts. */
export const recordStagedFiles = (deps: JobsDeps) =>
  async function recordStagedFiles({ files, ...pod }: PodRef & { readonly files: readonly StagedFile[] }): Promise<void> {
    await rememberOnce(deps, pod, ['staged', JSON.stringify(files)]);
  };

/** Remembers which filters had the outputs of a pod, and how they ended. The first word counts. */
export const recordFilters = (deps: JobsDeps) =>
  async function recordFilters({ filters, ...pod }: PodRef & { readonly filters: readonly AskedFilter[] }): Promise<void> {
    await rememberOnce(deps, pod, ['filters', JSON.stringify(filters)]);
  };

/** Remembers which image a pod's algorithm runs in, as the runtime names it. The first word counts. */
export const recordImage = (deps: JobsDeps) =>
  async function recordImage({ image, ...pod }: PodRef & { readonly image: string }): Promise<void> {
    await rememberOnce(deps, pod, ['image', image]);
  };

/** @returns null for a job that is unknown, has not ended or published nothing, and for the platform's own tests */
export const readManifestFacts = ({ db }: JobsDeps) =>
  async function readManifestFacts(jobId: string): Promise<ManifestFacts | null> {
    const row = await db
      .selectFrom('jobs')
      .leftJoin('pod_facts', (join) =>
        join.onRef('pod_facts.job_id', '=', 'jobs.job_id').onRef('pod_facts.pod_attempt', '=', 'jobs.results_pod_attempt'),
      )
      .select(listedColumns.map((column) => `jobs.${column}` as const))
      .select(['jobs.admission', 'jobs.published_at', 'pod_facts.staged', 'pod_facts.image', 'pod_facts.filters'])
      .where('jobs.job_id', '=', jobId)
      .where('jobs.surface', '<>', selfTest)
      .where('jobs.finished_at', 'is not', null)
      .where('jobs.results', 'is not', null)
      .executeTakeFirst();
    if (row?.admission === undefined || row.admission === null || row.finished_at === null) return null;
    const { admission, staged, image, filters } = row;
    // also outputs that are elsewhere by now: whoever has them wants to check them
    const facts = { ...toJobRow(row), results: isOver(row.expires_at) ? [] : (row.results ?? []) };
    const endedAtMs = row.finished_at.getTime();
    return { row: facts, admission, staged, image, filters, publishedAtMs: row.published_at?.getTime() ?? null, endedAtMs };
  };

/** Keeps a manifest. @returns the one that is kept: the first */
export const storeManifest = (deps: JobsDeps) =>
  async function storeManifest(jobId: string, envelope: Envelope): Promise<Envelope> {
    const stored = await deps.db
      .insertInto('result_manifests')
      .values({ job_id: jobId, envelope: JSON.stringify(envelope) })
      .onConflict((conflict) => conflict.doNothing())
      .returning('job_id')
      .executeTakeFirst();
    return stored === undefined ? ((await readManifest(deps)(jobId)) ?? envelope) : envelope;
  };

/** @returns null where none was made yet */
export const readManifest = ({ db }: JobsDeps) =>
  async function readManifest(jobId: string): Promise<Envelope | null> {
    const row = await db.selectFrom('result_manifests').select('envelope').where('job_id', '=', jobId).executeTakeFirst();
    return row?.envelope ?? null;
  };
