/** Translates a classified failure into Temporal's terms, once, for every activity. */

import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { ApplicationFailure } from '@temporalio/common';
import { faultOf, isJobFailure, type JobFailure } from '../../workflows/contract/failures.ts';

/**
 * @returns final unless the failure says when to try again. A consumer's fault is expected: it stays out of the
 *   worker's warnings and error metrics
 */
export const applicationFailureOf = (failure: JobFailure): ApplicationFailure =>
  ApplicationFailure.create({
    type: failure.type,
    message: failure.message,
    nonRetryable: failure.retryAfterSeconds === undefined,
    ...(failure.retryAfterSeconds === undefined ? {} : { nextRetryDelay: failure.retryAfterSeconds * 1_000 }),
    ...(faultOf(failure.type) === 'consumer' || failure.type === 'NoCapacity' ? { category: 'BENIGN' } : {}),
  });

/** Other errors pass untouched and are retried by the activity's policy. */
export class FailureInterceptor implements ActivityInboundCallsInterceptor {
  async execute(input: ActivityExecuteInput, next: Next<ActivityInboundCallsInterceptor, 'execute'>): Promise<unknown> {
    try {
      return await next(input);
    } catch (err) {
      throw isJobFailure(err) ? applicationFailureOf(err) : err;
    }
  }
}
