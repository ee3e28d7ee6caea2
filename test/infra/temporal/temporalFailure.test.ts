import { ServiceError, WorkflowUpdateRPCTimeoutOrCancelledError } from '@temporalio/client';
import { temporalFailure } from '../../../infra/temporal/temporalFailure.ts';

/** An error as gRPC's client makes them. */
const grpcError = (code: number): Error => Object.assign(new Error(`${code}`), { code, details: 'details', metadata: {} });

describe('temporalFailure', () => {
  test.each<[string, unknown]>([
    ['a server that nobody reaches', new ServiceError('failed', { cause: grpcError(14) })],
    ['a call that took too long', new ServiceError('failed', { cause: grpcError(4) })],
    ['a server that limits its callers', grpcError(8)],
    ['a verdict that did not come in time', new WorkflowUpdateRPCTimeoutOrCancelledError('late', { cause: grpcError(4) })],
    ['a connection that was never made', new Error('Failed to connect before the deadline')],
  ])('%s may be asked again', (_what, err) => {
    expect(temporalFailure(err)).toMatchObject({ type: 'ServiceUnavailable', retryAfterSeconds: 5 });
  });

  test.each<[string, unknown]>([
    ['a refused argument', new ServiceError('failed', { cause: grpcError(3) })],
    ['a missing permission', grpcError(7)],
    ['a mistake of ours', new Error('unexpected')],
  ])('%s stays what it is', (_what, err) => {
    expect(temporalFailure(err)).toBe(err);
  });
});
