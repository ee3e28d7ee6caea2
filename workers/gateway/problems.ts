/** What an agent is told when a request fails: one table from error to status and Problem. */

import type { ErrorRequestHandler } from 'express';
import { ZodError } from 'zod';
import { isJobFailure, type FailureType } from '../../workflows/contract/failures.ts';
import { withoutSecrets, type Logger } from '../../infra/process/logger.ts';
import type { Problem } from './protocol.ts';

/** A refusal whose status and text are decided already. */
export class Refusal extends Error {
  readonly status: number;
  readonly problem: Problem;
  readonly retryAfterSeconds: number | undefined;

  /** @param options `retryAfterSeconds` present: asking again may help */
  constructor(status: number, type: FailureType, message: string, options: { readonly retryAfterSeconds?: number } = {}) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.problem = { type, message, retryable: options.retryAfterSeconds !== undefined };
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** The token is unknown, or names a pod that has a successor. */
export const unauthorized = (): Refusal => new Refusal(401, 'AccessDenied', 'the token is not valid, or no longer');

/** The job has ended: the agent has nothing left to do. */
export const jobOver = (): Refusal => new Refusal(410, 'RequestInvalid', 'the job is over');

/** The request is at odds with the protocol. */
export const malformed = (message: string): Refusal => new Refusal(400, 'RequestInvalid', message);

const clientStatus = (err: unknown): number | null => {
  if (typeof err !== 'object' || err === null || !('status' in err)) return null;
  const { status } = err;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : null;
};

/** What to answer for anything that a route throws; null for an error that nobody expected. */
export const refusalOf = (err: unknown): Refusal | null => {
  if (err instanceof Refusal) return err;
  if (isJobFailure(err)) {
    const { type, message, retryAfterSeconds } = err;
    return new Refusal(
      retryAfterSeconds === undefined ? 424 : 503,
      type,
      message,
      retryAfterSeconds === undefined ? {} : { retryAfterSeconds },
    );
  }
  if (err instanceof ZodError) {
    const where = err.issues[0]?.path.map(String).join('.') ?? '';
    return malformed(`the message does not fit the protocol${where === '' ? '' : ` at ${where}`}`);
  }
  const status = clientStatus(err);
  return status === null ? null : new Refusal(status, 'RequestInvalid', 'the request cannot be read');
};

/** Renders what routes throw. An answer that has begun is cut instead, so that the agent notices. */
export const renderProblems = (logger: Logger): ErrorRequestHandler =>
  function renderProblem(err: unknown, req, res, _next) {
    if (res.headersSent) {
      res.destroy();
      return;
    }
    const known = refusalOf(err);
    if (known === null) logger.error({ err, method: req.method }, 'a request of an agent failed');
    const refusal = known ?? new Refusal(503, 'RuntimeUnavailable', 'the service cannot do this at the moment', { retryAfterSeconds: 1 });
    if (refusal.retryAfterSeconds !== undefined) res.set('Retry-After', String(Math.ceil(refusal.retryAfterSeconds)));
    const problem: Problem = { ...refusal.problem, message: withoutSecrets(refusal.problem.message) };
    res.status(refusal.status).json(problem);
  };
