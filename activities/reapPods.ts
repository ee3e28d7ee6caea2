import { log } from '@temporalio/activity';
import type { PodRef } from '../workflows/contract/job.ts';
import type { ListedPod } from '../workflows/contract/pod.ts';

export interface ReapPodsDeps {
  readonly pods: {
    list(): Promise<readonly ListedPod[]>;
    remove(pod: PodRef): Promise<void>;
  };
  readonly workflows: {
    /** Whether a job's workflow is still open; false also for one that never was. */
    isOpen(jobId: string): Promise<boolean>;
  };
}

/** A find is an alert: teardown failed somewhere. */
export interface ReapedPods {
  readonly seen: number;
  readonly removed: number;
}

/**
 * Removes pods without a living workflow. The pods are listed first, so that a pod made meanwhile is never judged by
 * what was known before it. Safe to repeat.
 */
export const reapPods = ({ pods, workflows }: ReapPodsDeps) =>
  async function reapPods({ olderThanSeconds }: { readonly olderThanSeconds: number }): Promise<ReapedPods> {
    const listed = await pods.list();
    const before = Date.now() - olderThanSeconds * 1_000;
    let removed = 0;
    for (const { pod, createdAtMs } of listed) {
      if (createdAtMs > before || (await workflows.isOpen(pod.jobId))) continue;
      log.warn('removing a pod without a workflow', { jobId: pod.jobId, podAttempt: pod.podAttempt });
      await pods.remove(pod);
      removed += 1;
    }
    return { seen: listed.length, removed };
  };
