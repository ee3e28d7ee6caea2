/** Uploads of results that are under way, so that any gateway goes on with what another one began. */

import type { JobsDeps } from './jobs.ts';

interface UploadedFile {
  readonly jobId: string;
  readonly podAttempt: number;
  readonly n: number;
}

const columnsOf = ({ jobId, podAttempt, n }: UploadedFile) => ({ job_id: jobId, pod_attempt: podAttempt, n });

/** @returns the id of the upload that takes the file's parts, or null */
export const findUpload = ({ db }: Pick<JobsDeps, 'db'>) =>
  async function findUpload({ jobId, podAttempt, n }: UploadedFile): Promise<string | null> {
    const row = await db
      .selectFrom('result_uploads')
      .select('upload_id')
      .where('job_id', '=', jobId)
      .where('pod_attempt', '=', podAttempt)
      .where('n', '=', n)
      .executeTakeFirst();
    return row?.upload_id ?? null;
  };

/** The first id stays. @returns the one that stays */
export const rememberUpload = ({ db }: Pick<JobsDeps, 'db'>) =>
  async function rememberUpload(file: UploadedFile, uploadId: string): Promise<string> {
    await db
      .insertInto('result_uploads')
      .values({ ...columnsOf(file), upload_id: uploadId })
      .onConflict((conflict) => conflict.columns(['job_id', 'pod_attempt', 'n']).doNothing())
      .execute();
    return (await findUpload({ db })(file)) ?? uploadId;
  };

/** Tolerates absence. */
export const forgetUpload = ({ db }: Pick<JobsDeps, 'db'>) =>
  async function forgetUpload({ jobId, podAttempt, n }: UploadedFile): Promise<void> {
    await db.deleteFrom('result_uploads').where('job_id', '=', jobId).where('pod_attempt', '=', podAttempt).where('n', '=', n).execute();
  };

/** All uploads of a job, or of one of its pod attempts. */
export const listUploads = ({ db }: Pick<JobsDeps, 'db'>) =>
  async function listUploads(job: {
    readonly jobId: string;
    readonly podAttempt?: number;
  }): Promise<readonly (UploadedFile & { readonly uploadId: string })[]> {
    let query = db.selectFrom('result_uploads').selectAll().where('job_id', '=', job.jobId);
    if (job.podAttempt !== undefined) query = query.where('pod_attempt', '=', job.podAttempt);
    const rows = await query.execute();
    return rows.map((row) => ({ jobId: row.job_id, podAttempt: row.pod_attempt, n: row.n, uploadId: row.upload_id }));
  };
