import { ActivityFailure, ApplicationFailure, TimeoutFailure, defaultPayloadConverter } from '@temporalio/common';
import { failureConverter } from '../../../infra/temporal/failureConverter.ts';

const refusal = ApplicationFailure.create({ type: 'StorageRefused', message: 'the store is read-only' });

describe('the failure converter', () => {
  test('keeps why a step was being retried when its deadline passed', () => {
    const cause = failureConverter.errorToFailure(refusal, defaultPayloadConverter);
    const timeout = { message: 'activity ScheduleToClose timeout', source: 'Server', timeoutFailureInfo: { timeoutType: 4 }, cause };
    const activity = { activityFailureInfo: { activityType: { name: 'publishOutputs' }, activityId: 'publishOutputs/1' }, cause: timeout };
    const error = failureConverter.failureToError(activity, defaultPayloadConverter);
    expect(error).toBeInstanceOf(ActivityFailure);
    expect(error.cause).toBeInstanceOf(TimeoutFailure);
    expect((error.cause as Error).cause).toMatchObject({ type: 'StorageRefused', message: 'the store is read-only' });
  });

  test('leaves a timeout without a cause as it is', () => {
    const error = failureConverter.failureToError({ timeoutFailureInfo: { timeoutType: 4 } }, defaultPayloadConverter);
    expect(error).toBeInstanceOf(TimeoutFailure);
    expect(error.cause).toBeUndefined();
  });

  test('shows no message of a failure in clear', () => {
    expect(JSON.stringify({ ...failureConverter.errorToFailure(refusal, defaultPayloadConverter), encodedAttributes: null })).not.toMatch(
      /read-only/,
    );
  });
});
