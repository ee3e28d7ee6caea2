/** What an error of Temporal's client means: the server is away for the moment, or a mistake. Pure. */

import { WorkflowUpdateRPCTimeoutOrCancelledError, isGrpcServiceError } from '@temporalio/client';
import { JobFailure } from '../../workflows/contract/failures.ts';

/** gRPC: CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, UNAVAILABLE, DATA_LOSS */
const awayCodes = new Set([1, 4, 8, 10, 14, 15]);
const retryAfterSeconds = 5;

const isAway = (err: unknown): boolean => {
  if (isGrpcServiceError(err)) return awayCodes.has(Number(err.code));
  if (!(err instanceof Error)) return false;
  return err instanceof WorkflowUpdateRPCTimeoutOrCancelledError || /failed to connect/i.test(err.message) || isAway(err.cause);
};

/** @returns a failure to try again after when the server is away, else `err` itself. The message holds no address. */
export const temporalFailure = (err: unknown): unknown =>
  isAway(err)
    ? new JobFailure('ServiceUnavailable', "the service's workflow server is away for the moment: repeat the request in a few seconds", {
        retryAfterSeconds,
        cause: err,
      })
    : err;
