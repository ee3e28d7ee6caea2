/** The one table from failure to HTTP status and body, and the handler that renders what routes throw. */

import type { ErrorRequestHandler, Response } from 'express';
import { z } from 'zod';
import { isJobFailure, type FailureType } from '../workflows/contract/failures.ts';
import type { Logger } from '../infra/process/logger.ts';

/** A refusal with its HTTP status; the text is what the consumer reads. */
export class Refusal extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.headers = headers;
  }
}

/**
 * HTTP status of each failure type. Node-style Provider API: 400 malformed or refused by a rule, 403 access denied,
 * 404 unknown; 5xx only where the consumer could not have asked better.
 */
export const failureHttpStatus = {
  RequestInvalid: 400,
  AssetNotFound: 404,
  ServiceNotFound: 404,
  AssetNotConsumable: 400,
  AccessDenied: 403,
  OrderMissing: 400,
  OrderInvalid: 400,
  OrderPending: 409,
  PaymentInvalid: 400,
  AgreementInUse: 400,
  AlgorithmNotTrusted: 400,
  RawAlgorithmNotAllowed: 400,
  FilesNotOurs: 400,
  ChainUnavailable: 503,
  TransactionPending: 503,
  TransactionReverted: 500,
  KeyNeedsFunds: 503,
  QueueTimedOut: 400,
  NoCapacity: 400,
  ImageUnavailable: 400,
  ImagePullFailed: 503,
  VolumeFailed: 500,
  ContainerFailed: 500,
  QuotaExceeded: 503,
  ClusterMisconfigured: 500,
  PodConflict: 500,
  RuntimeUnavailable: 503,
  PodUnsealed: 500,
  PodLost: 503,
  PodChanged: 503,
  InputUnavailable: 503,
  InputTooLarge: 400,
  AlgorithmUnavailable: 400,
  AlgorithmChecksumMismatch: 400,
  AlgorithmOutOfMemory: 400,
  OutputsTooLarge: 400,
  OutputsWithheld: 400,
  FilterFailed: 500,
  OutputsUnreadable: 503,
  OutputTargetRefused: 400,
  OutputTargetUnavailable: 400,
  StorageRefused: 503,
  StorageUnavailable: 503,
  PhaseTimedOut: 503,
  ServiceUnavailable: 503,
} as const satisfies Record<FailureType, number>;

/** How a route's errors look: a bare JSON string (start calls) or `{"error": …}`. */
export type ErrorShape = 'text' | 'object';

/** Sets the form of this answer's error, should there be one. */
export const setErrorShape = (res: Response, shape: ErrorShape): void => {
  res.locals['errorShape'] = shape;
};

const renderError = (res: Response, status: number, message: string): void => {
  res.status(status).json(res.locals['errorShape'] === 'text' ? message : { error: message });
};

/** First problem of a zod error as one line, e.g. `datasets.0.documentId: Invalid input: expected string`. */
export const describeZodError = (err: z.ZodError): string => {
  const [issue] = err.issues;
  if (issue === undefined) return 'The request is malformed';
  const where = issue.path.map(String).join('.').slice(0, 200);
  return where === '' ? issue.message : `${where}: ${issue.message}`;
};

interface HttpError {
  readonly status: number;
  readonly type?: string;
  readonly limit?: number;
}

const isHttpError = (err: unknown): err is HttpError => err instanceof Error && typeof (err as Partial<HttpError>).status === 'number';

const describeHttpError = ({ status, type, limit }: HttpError): string => {
  if (status === 413) return `The request body is larger than ${limit ?? 'allowed'} bytes`;
  if (type === 'encoding.unsupported' || status === 415) return 'The encoding of the request body is not supported';
  return 'The request is malformed';
};

interface Rendered {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Status and text of anything a route may throw; null for what nobody foresaw. */
export const toProblem = (err: unknown): Rendered | null => {
  if (err instanceof Refusal) return { status: err.status, message: err.message, headers: err.headers };
  if (isJobFailure(err)) {
    const status: number = failureHttpStatus[err.type];
    return { status, message: err.message, ...(status === 503 && { headers: { 'Retry-After': String(err.retryAfterSeconds ?? 5) } }) };
  }
  if (err instanceof z.ZodError) return { status: 400, message: describeZodError(err) };
  // what express and its body parsers refuse: broken escapes in the path, bodies cut off, too large or wrongly encoded
  if (isHttpError(err) && err.status >= 400 && err.status < 500) return { status: err.status, message: describeHttpError(err) };
  return null;
};

/** Takes back the headers of the answer that was meant to be given. */
export const clearAnswer = (res: Response): void => {
  for (const name of res.getHeaderNames())
    if (/^(content-|etag$|accept-ranges$)/.test(name) && name !== 'content-security-policy') res.removeHeader(name);
};

/** Renders what a route threw. An answer that has begun is cut off, so that nobody takes it for complete. */
export const renderProblems = (logger: Logger): ErrorRequestHandler =>
  function renderProblems(err: unknown, req, res, _next) {
    const requestId: unknown = res.locals['requestId'];
    const problem = toProblem(err);
    if (problem === null || problem.status >= 500) logger.error({ err, requestId, method: req.method, path: req.path }, 'a request failed');
    if (res.headersSent) {
      res.destroy();
      return;
    }
    if (problem === null) {
      renderError(res, 500, `The service failed; tell its operator the request id ${String(requestId)}`);
      return;
    }
    clearAnswer(res);
    if (problem.headers !== undefined) res.set(problem.headers);
    renderError(res, problem.status, problem.message);
  };
