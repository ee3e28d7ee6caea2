import { log } from '@temporalio/activity';
import type { JobRecord } from '../workflows/contract/job.ts';
import { status } from '../workflows/contract/status.ts';

/** An unfinished job of the ledger. */
interface OpenJob {
  readonly jobId: string;
  readonly admission: 'pending' | 'accepted' | 'refused';
  readonly podAttempt: number;
}

export interface RepairJobsDeps {
  readonly openJobs: {
    openJobs(olderThanMs: number, limit: number): Promise<readonly OpenJob[]>;
    /** Drops live logs of jobs that ended before `before`. */
    dropEndedLogs(before: Date): Promise<void>;
  };
  readonly workflows: { isOpen(jobId: string): Promise<boolean> };
  readonly records: { recordJob(record: JobRecord): Promise<void> };
  readonly refusals: { refuseJob(jobId: string, refusal: { readonly type: string; readonly reason: string }): Promise<void> };
}

const batch = 200;
const logsKeptMs = 3_600_000;

/**
 * Ends rows whose workflow is gone (terminated by hand, lost with its namespace): clients must not wait for ever.
 * Safe to repeat.
 * @returns how many rows were repaired; more than zero is an alert
 */
export const repairJobs = ({ openJobs, workflows, records, refusals }: RepairJobsDeps) =>
  async function repairJobs({ olderThanSeconds }: { readonly olderThanSeconds: number }): Promise<{ readonly repaired: number }> {
    let repaired = 0;
    for (const { jobId, admission, podAttempt } of await openJobs.openJobs(olderThanSeconds * 1_000, batch)) {
      if (await workflows.isOpen(jobId)) continue;
      log.warn('ending a job without a workflow', { jobId });
      const reason = 'the job lost its workflow; start it again';
      if (admission === 'pending') await refusals.refuseJob(jobId, { type: 'PodLost', reason });
      else
        await records.recordJob({
          jobId,
          podAttempt,
          status: status.lost,
          reason,
          end: { status: status.lost, reason, exitCode: null, oomKilled: false },
        });
      repaired += 1;
    }
    await openJobs.dropEndedLogs(new Date(Date.now() - logsKeptMs));
    return { repaired };
  };
