import { CancellationScope, ParentClosePolicy, startChild } from '@temporalio/workflow';
import { assetWorkflowId, webhookWorkflowId } from './contract/ids.ts';
import type { JobEvent } from './contract/job.ts';

/**
 * Starts a workflow that outlives the job's. Resolves once the server has it, and never rejects: nothing about the job
 * depends on it, and it is there already when somebody has reset the job's own.
 */
const startBeside = async (type: 'publishAsset' | 'postWebhook', workflowId: string, argument: object): Promise<void> => {
  const starting = CancellationScope.nonCancellable(() =>
    startChild(type, { workflowId, args: [argument], parentClosePolicy: ParentClosePolicy.ABANDON }),
  );
  await starting.catch(() => undefined);
};

/** Has the outputs of a finished job made an asset. */
export const beginAsset = (jobId: string): Promise<void> => startBeside('publishAsset', assetWorkflowId(jobId), { jobId });

/** Has the operator told of a job's start or end. */
export const beginWebhook = (jobId: string, event: JobEvent): Promise<void> =>
  startBeside('postWebhook', webhookWorkflowId(jobId, event), { jobId, event });
