import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowFailure,
  ParentClosePolicy,
  executeChild,
  isCancellation,
  proxyActivities,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { computeJob } from './computeJob.ts';
import { isFailureType } from './contract/failures.ts';
import { jobWorkflowId } from './contract/ids.ts';
import { judgeSelfTest, type SealTest, type SealVerdict, type SelfTestEnd } from './contract/seal.ts';

const preparation = proxyActivities<Pick<Activities, 'beginSelfTest'>>({
  startToCloseTimeout: '30s',
  scheduleToCloseTimeout: '2m',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '15s' },
});

const record = proxyActivities<Pick<Activities, 'recordVerdict'>>({
  startToCloseTimeout: '10s',
  retry: { initialInterval: '250ms', backoffCoefficient: 2, maximumInterval: '1m' },
});

/**
 * One self-test of an environment: a job like any other, whose algorithm tries to get out. Run by a schedule.
 * @returns the verdict, which is in the ledger by then
 */
export async function proveSeal({ environmentId }: SealTest): Promise<SealVerdict> {
  let jobId: string | null = null;
  let ended: SelfTestEnd;
  try {
    const job = await preparation.beginSelfTest({ environmentId });
    jobId = job.jobId;
    // a self-test that is cancelled takes its job along, teardown included
    ended = { end: await executeChild(computeJob, childOf(jobId, [job])) };
  } catch (err) {
    if (CancellationScope.current().consideredCancelled || isCancellation(err)) throw err;
    ended = { failure: describe(err) };
  }
  const verdict = judgeSelfTest(ended);
  await record.recordVerdict({ environmentId, jobId, ...verdict });
  return verdict;
}

const childOf = (jobId: string, args: Parameters<typeof computeJob>) => ({
  workflowId: jobWorkflowId(jobId),
  args,
  parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
});

/** Type and text of what kept the job from ending by itself. */
const describe = (err: unknown): Extract<SelfTestEnd, { failure: unknown }>['failure'] => {
  const cause = err instanceof ChildWorkflowFailure || err instanceof ActivityFailure ? err.cause : err;
  if (cause instanceof ApplicationFailure && isFailureType(cause.type)) return { type: cause.type, message: cause.message };
  const message = "the self-test could not be run; operators find the reason in its workflow, 'c2d-seal/…'";
  return { type: 'RuntimeUnavailable', message };
};
