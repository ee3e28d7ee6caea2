import type { JobRecord } from '../workflows/contract/job.ts';

export interface RecordJobDeps {
  readonly records: { recordJob(record: JobRecord): Promise<void> };
}

/** Writes what clients read. Safe to repeat and to arrive late: a row never moves backward. */
export const recordJob = ({ records }: RecordJobDeps) =>
  async function recordJob(record: JobRecord): Promise<void> {
    await records.recordJob(record);
  };
