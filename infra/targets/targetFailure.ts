/** What an error of a consumer's storage, or on the way to it, means for the job. Pure. */

import { JobFailure, isJobFailure } from '../../workflows/contract/failures.ts';
import { OutboundFailed, OutboundRefused, outboundError } from '../outbound/outboundErrors.ts';
import { codeOfS3Error, s3CodesWorthAnotherTry, statusOfS3Error } from '../storage/s3Failure.ts';

/** Only the consumer can change these. */
const refused: Readonly<Record<string, string>> = {
  NoSuchBucket: 'the bucket does not exist: create it, or correct its name',
  AccessDenied: 'it does not permit this: give the access key the rights to write, read and delete objects under the key',
  InvalidAccessKeyId: 'it does not know the access key: correct accessKeyId',
  /** of versitygw */
  XAdminUserNotFound: 'it does not know the access key: correct accessKeyId',
  SignatureDoesNotMatch: 'it does not accept the secret key: correct secretAccessKey',
  ExpiredToken: 'the credentials have expired: use others',
  PermanentRedirect: 'the bucket is elsewhere: correct region or endpoint',
  TemporaryRedirect: 'the bucket is elsewhere: correct region or endpoint',
  AuthorizationHeaderMalformed: 'the bucket is in another region: correct region',
  KeyTooLongError: 'the key is too long: shorten objectKey',
  EntityTooLarge: 'the outputs are larger than it takes',
};

const retryAfterSeconds = 10;

/** A failure that is worth another try. @param cause e.g. `it does not answer` */
export const targetUnavailable = (cause: string): JobFailure =>
  new JobFailure('OutputTargetUnavailable', `the storage of output: ${cause}`, { retryAfterSeconds });

const targetRefused = (cause: string): JobFailure => new JobFailure('OutputTargetRefused', `the storage of output: ${cause}`);

const ofAnswer = (code: string, status: number): JobFailure => {
  const word = code === '' ? '' : ` (${code})`;
  if (s3CodesWorthAnotherTry.includes(code) || code === 'SlowDown' || status === 429) return targetUnavailable('it asks to try again');
  const refusal = refused[code] ?? (status === 403 ? refused['AccessDenied'] : undefined);
  if (refusal !== undefined) return targetRefused(refusal);
  if (status >= 500 && status !== 501) return targetUnavailable(`it has an error of its own${word}`);
  return targetRefused(`it refuses this${word}: correct its endpoint, bucket and objectKey`);
};

/** @returns the failure to throw; a JobFailure passes unchanged. The message holds neither address nor key. */
export const targetFailure = (err: unknown): JobFailure => {
  if (isJobFailure(err)) return err;
  const status = statusOfS3Error(err);
  if (status >= 300) return ofAnswer(codeOfS3Error(err), status);
  const known = outboundError(err);
  if (known instanceof OutboundRefused) return targetRefused('its endpoint must not be reached from here: name one with a public address');
  const code = known instanceof OutboundFailed && known.code !== null ? ` (${known.code})` : '';
  return targetUnavailable(`it cannot be reached at the moment${code}`);
};
