import { log } from '@temporalio/activity';
import type { PodRef } from '../workflows/contract/job.ts';
import type { PlaceAudit, QueueRef } from '../workflows/contract/queue.ts';
import { keepAlive } from './keepAlive.ts';

export interface AuditPlacesDeps {
  readonly workflows: {
    /** Whether a job's workflow is still open; false also for one that never was. */
    isOpen(jobId: string): Promise<boolean>;
  };
  readonly fences: {
    /** The pod attempt whose agent may report; null when there is none. */
    currentPodAttempt(jobId: string): Promise<number | null>;
  };
  readonly pods: { remove(pod: PodRef): Promise<void> };
  readonly offers: {
    /** The number of places that is configured. */
    maxJobs(queue: QueueRef): number;
  };
}

/** Whom to look at; by job id. */
export interface AuditRequest {
  readonly queue: QueueRef;
  readonly holding: readonly string[];
  readonly waiting: readonly string[];
}

const atOnce = 10;

/**
 * Finds jobs whose workflow is over though they never gave their place or turn back: somebody ended them by hand. What
 * is left of their pods is removed first, because a place stands for what a pod uses. Safe to repeat.
 */
export const auditPlaces = ({ workflows, fences, pods, offers }: AuditPlacesDeps) => {
  const removePod = async (jobId: string): Promise<void> => {
    log.warn('taking back the place of a job without a workflow', { jobId });
    const podAttempt = await fences.currentPodAttempt(jobId);
    if (podAttempt !== null) await pods.remove({ jobId, podAttempt });
  };
  return async function auditPlaces({ queue, holding, waiting }: AuditRequest): Promise<PlaceAudit> {
    const look = async (jobIds: readonly string[]): Promise<readonly string[]> => {
      const gone: string[] = [];
      for (let from = 0; from < jobIds.length; from += atOnce) {
        const batch = jobIds.slice(from, from + atOnce);
        const open = await Promise.all(batch.map((jobId) => workflows.isOpen(jobId)));
        gone.push(...batch.filter((_, index) => open[index] === false));
      }
      return gone;
    };
    return keepAlive(async () => {
      const [ended, left] = [await look(holding), await look(waiting)];
      for (const jobId of ended) await removePod(jobId);
      return { gone: [...ended, ...left], maxJobs: offers.maxJobs(queue) };
    });
  };
};
