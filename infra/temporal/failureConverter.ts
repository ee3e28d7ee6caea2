/** Encrypts messages and stack traces of failures too; loaded by path, by clients and by the workflow bundle. */

import {
  DefaultFailureConverter,
  TimeoutFailure,
  type PayloadConverter,
  type ProtoFailure,
  type SerializationContext,
} from '@temporalio/common';

/**
 * Keeps what the SDK drops: the cause of a timeout. When a deadline passes while a step is being retried, the server
 * gives the step's last failure as the cause, and that is what people have to be told.
 */
class CauseKeepingFailureConverter extends DefaultFailureConverter {
  override failureToErrorInner(failure: ProtoFailure, payloadConverter: PayloadConverter, context?: SerializationContext): Error {
    const error = super.failureToErrorInner(failure, payloadConverter, context);
    if (!(error instanceof TimeoutFailure)) return error;
    return Object.assign(error, { cause: this.optionalFailureToOptionalError(failure.cause, payloadConverter, context) });
  }
}

export const failureConverter = new CauseKeepingFailureConverter({ encodeCommonAttributes: true });
