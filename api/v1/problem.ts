/** Errors of this surface: `application/problem+json` (RFC 9457) with code, hint and request id. */

import type { ErrorRequestHandler } from 'express';
import { z } from 'zod';
import { isFailureType, isJobFailure } from '../../workflows/contract/failures.ts';
import type { Logger } from '../../infra/process/logger.ts';
import { clearAnswer, Refusal, toProblem } from '../problems.ts';
import { codeTexts, type ProblemCode, type SurfaceCode } from './hints.ts';
import type { Problem, Reason } from './schemas.ts';

/** A refusal whose code is more than its status. */
export class CodedRefusal extends Refusal {
  readonly code: ProblemCode;

  constructor(code: ProblemCode, status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(status, message, headers);
    this.name = 'CodedRefusal';
    this.code = code;
  }
}

const codesByStatus: Readonly<Record<number, SurfaceCode>> = {
  401: 'Unauthorized',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  413: 'BodyTooLarge',
  415: 'UnsupportedEncoding',
  416: 'RangeNotSatisfiable',
  422: 'IdempotencyKeyReused',
  429: 'TooManyRequests',
  500: 'InternalError',
};

/** The code of anything that a route may throw. */
export const codeOf = (err: unknown, status: number): ProblemCode => {
  if (err instanceof CodedRefusal) return err.code;
  if (isJobFailure(err)) return err.type;
  return codesByStatus[status] ?? (status === 503 ? 'ServiceUnavailable' : 'RequestInvalid');
};

/** Why a request would be, or was, refused. */
export const reasonOf = (code: ProblemCode, cause: string): Reason => ({ code, cause, hint: codeTexts[code].hint });

/** The reason that the ledger remembers of a refusal. */
export const rememberedReason = (type: string | null, cause: string): Reason =>
  reasonOf(isFailureType(type) ? type : 'RequestInvalid', cause);

const mostIssues = 5;

const describeIssues = ({ issues }: z.ZodError): string =>
  issues
    .slice(0, mostIssues)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.map(String).join('.').slice(0, 200)}: ${message}`))
    .join('; ');

const detailOf = (err: unknown, message: string | undefined): string => {
  if (err instanceof z.ZodError) return describeIssues(err);
  return message ?? 'Nobody foresaw this failure; the log of the service has it under the request id';
};

/** The body of a problem. `type` names the code; nothing has to be looked up there. */
export const describeProblem = (err: unknown, requestId: string): Problem => {
  const known = toProblem(err);
  const status = known?.status ?? 500;
  const code = codeOf(err, status);
  const { title, hint } = codeTexts[code];
  return { type: `urn:durable-c2d:problem:${code}`, title, status, detail: detailOf(err, known?.message), code, hint, requestId };
};

/** Renders what a route of this surface threw. An answer that has begun is cut off, so that nobody takes it for complete. */
export const renderProblem = (logger: Logger): ErrorRequestHandler =>
  function renderProblem(err: unknown, req, res, _next) {
    const requestId = String(res.locals['requestId']);
    const problem = describeProblem(err, requestId);
    if (problem.status >= 500) logger.error({ err, requestId, method: req.method, path: req.path }, 'a request failed');
    if (res.headersSent) {
      res.destroy();
      return;
    }
    clearAnswer(res);
    res.set(toProblem(err)?.headers ?? {});
    if (problem.status === 401) res.set('WWW-Authenticate', 'Bearer');
    res.status(problem.status).type('application/problem+json').send(JSON.stringify(problem));
  };
