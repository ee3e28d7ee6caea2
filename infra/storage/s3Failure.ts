/** What an error of an S3 server, or on the way to it, means for a job. Pure. */

import { JobFailure, isJobFailure } from '../../workflows/contract/failures.ts';
import { storageUnavailable } from './localFailure.ts';

/** Only an operator can change these; trying again is pointless until then. */
const refused: Readonly<Record<string, string>> = {
  NoSuchBucket: 'the bucket of the result store does not exist: create it, or correct its name',
  NoSuchKey: 'the file is not in the result store',
  NotFound: 'the file is not in the result store',
  AccessDenied: 'the result store does not permit this: give its credentials the rights to read, write, list and delete in the bucket',
  InvalidAccessKeyId: "the result store does not know the access key: correct the store's credentials",
  /** of versitygw */
  XAdminUserNotFound: "the result store does not know the access key: correct the store's credentials",
  SignatureDoesNotMatch: "the result store does not accept the secret key: correct the store's credentials",
  ExpiredToken: "the credentials of the result store have expired: renew the store's credentials",
  InvalidToken: "the result store does not accept the session token: correct the store's credentials",
  CredentialsProviderError: 'there are no credentials for the result store: configure them, or a role',
  RequestTimeTooSkewed: 'the clock of this machine is not that of the result store: set it',
  PermanentRedirect: "the bucket of the result store is in another region: correct the store's region or endpoint",
  AuthorizationHeaderMalformed: "the bucket of the result store is in another region: correct the store's region",
  EntityTooSmall: 'the parts of an upload are too small for the result store: raise C2D_UPLOAD_PART_BYTES',
  EntityTooLarge: 'a file is larger than the result store takes',
};

/** Codes for: what was sent is not what arrived, another request was faster, an upload is not known any more. */
export const s3CodesWorthAnotherTry: readonly string[] = [
  ...['BadDigest', 'InvalidDigest', 'IncompleteBody', 'XAmzContentSHA256Mismatch', 'XAmzContentChecksumMismatch', 'RequestTimeout'],
  ...['InvalidPart', 'InvalidPartOrder', 'NoSuchUpload', 'OperationAborted', 'ConditionalRequestConflict'],
];

/** Most of these pass at once: a longer pause would cost an upload more than the repetition does. */
const retryAfterSeconds = 2;

/** The server's word for the error; network errors have the system's. */
export const codeOfS3Error = (err: unknown): string => {
  if (typeof err !== 'object' || err === null) return '';
  const { name, Code, code } = err as { readonly name?: unknown; readonly Code?: unknown; readonly code?: unknown };
  const words = [Code, name, code].filter((word): word is string => typeof word === 'string' && /^[A-Za-z0-9_]{2,60}$/.test(word));
  return words.find((word) => word !== 'Error' && word !== 'Unknown' && word !== 'UnknownError') ?? '';
};

/** HTTP status of a server's answer; 0 where there was none. */
export const statusOfS3Error = (err: unknown): number => {
  const { $metadata } = Object(err) as { readonly $metadata?: { readonly httpStatusCode?: unknown } };
  return typeof $metadata?.httpStatusCode === 'number' ? $metadata.httpStatusCode : 0;
};

/** @returns the failure to throw; a JobFailure passes unchanged. The message holds neither address nor key. */
export const s3Failure = (err: unknown): JobFailure => {
  if (isJobFailure(err)) return err;
  const [code, status] = [codeOfS3Error(err), statusOfS3Error(err)];
  if (s3CodesWorthAnotherTry.includes(code)) return storageUnavailable('a result did not reach the result store as it was sent', 1);
  const refusal = refused[code] ?? (status === 403 ? refused['AccessDenied'] : undefined);
  if (refusal !== undefined) return new JobFailure('StorageRefused', refusal);
  const word = code === '' ? '' : ` (${code})`;
  if (status === 429 || code === 'SlowDown') return storageUnavailable('the result store asks for fewer requests', retryAfterSeconds);
  if (status >= 500 && status !== 501) return storageUnavailable(`the result store has an error of its own${word}`, retryAfterSeconds);
  if (status >= 300) return new JobFailure('StorageRefused', `the result store refuses this${word}: correct its configuration`);
  return storageUnavailable(`the result store cannot be reached at the moment${word}`, retryAfterSeconds);
};
