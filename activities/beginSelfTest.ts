import { activityInfo } from '@temporalio/activity';
import type { JobRef } from '../workflows/contract/job.ts';
import type { SealTest } from '../workflows/contract/seal.ts';

export interface BeginSelfTestDeps {
  readonly selfTests: {
    /** Writes an accepted job of the service's own into the ledger; the same `key` is the same job. */
    begin(test: SealTest & { readonly key: string }): Promise<JobRef>;
  };
}

/** Prepares the job of a self-test. Safe to repeat: the job derives from the run of the workflow. */
export const beginSelfTest = ({ selfTests }: BeginSelfTestDeps) =>
  async function beginSelfTest({ environmentId }: SealTest): Promise<JobRef> {
    const { workflowExecution } = activityInfo();
    return selfTests.begin({ environmentId, key: `${workflowExecution?.workflowId}/${workflowExecution?.runId}` });
  };
