/** Errors of the operator-service API: always `{"error": text}`. Operator-Service API §1. */

import type { ErrorRequestHandler } from 'express';
import type { Logger } from '../../infra/process/logger.ts';
import { isJobFailure } from '../../workflows/contract/failures.ts';
import { withoutUrls } from '../classic/problems.ts';
import { clearAnswer, toProblem } from '../problems.ts';

interface Rendered {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What a rule refuses a job for is a 400 here, whatever it is elsewhere: Providers pass the status on. */
const render = (err: unknown): Rendered | null => {
  const problem = toProblem(err);
  if (problem === null) return null;
  const { status, message, headers = {} } = problem;
  if (!isJobFailure(err)) return { status, text: message, headers };
  return { status: status < 500 ? 400 : status, text: withoutUrls(message), headers };
};

/** Renders what a route threw. An answer that has begun is cut off, so that nobody takes it for complete. */
export const renderOperatorProblems = (logger: Logger): ErrorRequestHandler =>
  function renderOperatorProblems(err: unknown, req, res, _next) {
    const requestId: unknown = res.locals['requestId'];
    const rendered = render(err);
    if (rendered === null || rendered.status >= 500)
      logger.error({ err, requestId, method: req.method, path: req.path }, 'a request failed');
    if (res.headersSent) {
      res.destroy();
      return;
    }
    clearAnswer(res);
    if (rendered !== null) res.set(rendered.headers);
    const error = rendered?.text ?? `The service failed; its log has the request id ${String(requestId)}`;
    res.status(rendered?.status ?? 500).json({ error });
  };
