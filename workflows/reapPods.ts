import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';

const reaper = proxyActivities<Pick<Activities, 'reapPods' | 'repairJobs'>>({
  startToCloseTimeout: '5m',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1m', maximumAttempts: 5 },
});

/** What one round found. More than zero is an alert: a teardown failed or a workflow was lost. */
export interface ReaperRound {
  readonly podsSeen: number;
  readonly podsRemoved: number;
  readonly jobsRepaired: number;
}

/** Removes pods without a workflow and ends jobs without one. Run by a schedule. */
export async function reapPods({ olderThanSeconds }: { readonly olderThanSeconds: number }): Promise<ReaperRound> {
  const { seen, removed } = await reaper.reapPods({ olderThanSeconds });
  const { repaired } = await reaper.repairJobs({ olderThanSeconds });
  return { podsSeen: seen, podsRemoved: removed, jobsRepaired: repaired };
}
