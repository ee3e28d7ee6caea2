/** The algorithm's log while it runs: pieces by offset, so that a repeated piece changes nothing. */

import { sql } from 'kysely';
import { jobChannel, type JobsDeps } from './jobs.ts';

/** One consecutive piece of a pod attempt's log. */
export interface LogPiece {
  readonly jobId: string;
  readonly podAttempt: number;
  readonly offset: number;
  readonly bytes: Buffer;
}

/** Stores a piece and announces it. Safe to repeat. */
export const appendLog = ({ db }: JobsDeps) =>
  async function appendLog({ jobId, podAttempt, offset, bytes }: LogPiece): Promise<void> {
    if (bytes.length === 0) return;
    await db.transaction().execute(async (trx) => {
      await trx
        .insertInto('job_logs')
        .values({ job_id: jobId, pod_attempt: podAttempt, start_offset: offset, bytes })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      await sql`select pg_notify(${jobChannel}, ${jobId})`.execute(trx);
    });
  };

/**
 * The log of the job's current pod attempt from `offset` on.
 * @returns at most about `maxBytes` bytes; empty when there is nothing more yet; `podAttempt` changes when a lost
 *   pod was replaced, then the log begins again at 0
 */
export const readLog = ({ db }: JobsDeps) =>
  async function readLog(
    jobId: string,
    offset: number,
    maxBytes: number,
  ): Promise<{ readonly bytes: Buffer; readonly podAttempt: number; readonly ended: boolean }> {
    const job = await db.selectFrom('jobs').select(['pod_attempt', 'finished_at']).where('job_id', '=', jobId).executeTakeFirst();
    if (job === undefined) return { bytes: Buffer.alloc(0), podAttempt: 0, ended: true };
    const rows = await db
      .selectFrom('job_logs')
      .select(['start_offset', 'bytes'])
      .where('job_id', '=', jobId)
      .where('pod_attempt', '=', job.pod_attempt)
      .where(sql<boolean>`start_offset + octet_length(bytes) > ${offset}`)
      .orderBy('start_offset')
      .limit(64)
      .execute();
    const pieces: Buffer[] = [];
    let next = offset;
    for (const row of rows) {
      const start = Number(row.start_offset);
      if (start > next || next - offset >= maxBytes) break; // a gap: the missing piece is on its way
      pieces.push(row.bytes.subarray(next - start));
      next = start + row.bytes.length;
    }
    return { bytes: Buffer.concat(pieces), podAttempt: job.pod_attempt, ended: job.finished_at !== null };
  };

/** Drops the live logs of jobs that ended before `before`; their log files are in the result store. */
export const dropEndedLogs = ({ db }: JobsDeps) =>
  async function dropEndedLogs(before: Date): Promise<void> {
    await db
      .deleteFrom('job_logs')
      .where('job_id', 'in', (eb) => eb.selectFrom('jobs').select('job_id').where('finished_at', '<', before))
      .execute();
  };
