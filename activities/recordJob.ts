import type { JobRecord } from '../workflows/contract/job.ts';

export interface RecordJobDeps {
  readonly records: { recordJob(record: JobRecord): Promise<void> };
  readonly manifests: {
    /** Makes and signs the manifest of what the job published, if it did; once, whoever asks. */
    manifestOf(jobId: string): Promise<unknown>;
  };
}

/**
 * Writes what clients read; the end first, then the signed manifest of the results. Safe to repeat and to arrive late:
 * a row never moves backward, a manifest never changes.
 */
export const recordJob = ({ records, manifests }: RecordJobDeps) =>
  async function recordJob(record: JobRecord): Promise<void> {
    await records.recordJob(record);
    if (record.end !== undefined) await manifests.manifestOf(record.jobId);
  };
