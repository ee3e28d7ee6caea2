/** Errors in the envelopes of a classic Provider: Classic Provider API §2. */

import type { ErrorRequestHandler } from 'express';
import type { Logger } from '../../infra/process/logger.ts';
import { toProblem } from '../problems.ts';

/** By field: texts, or one text for a signature that is not good. */
export type FieldErrors = Readonly<Record<string, string | readonly string[]>>;

/** Fields of a request that are not as they must be. */
export class InvalidFields extends Error {
  readonly errors: FieldErrors;

  constructor(errors: FieldErrors) {
    super(`invalid: ${Object.keys(errors).join(', ')}`);
    this.name = 'InvalidFields';
    this.errors = errors;
  }
}

/** A refusal that names a part of the request, and a code. */
export class CodedProblem extends Error {
  readonly resource: string;
  readonly code: string;

  constructor({ resource, code }: { readonly resource: string; readonly code: string }) {
    super(`${resource}: ${code}`);
    this.name = 'CodedProblem';
    this.resource = resource;
    this.code = code;
  }
}

/** A path or method that is not served; the request's data is told back. */
export class NotServed extends Error {
  readonly status: 404 | 405;
  readonly context: unknown;

  constructor(status: 404 | 405, context: unknown) {
    super(
      status === 404
        ? '404 Not Found: The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.'
        : '405 Method Not Allowed: The method is not allowed for the requested URL.',
    );
    this.name = 'NotServed';
    this.status = status;
    this.context = context;
  }
}

const address = /^\S*[a-z][a-z0-9+.-]*:\/\/\S*$/i;

/** A text without anything that looks like a URL, and with single blanks: URLs may be secrets. */
export const withoutUrls = (text: string): string =>
  text
    .split(/\s+/)
    .map((word) => (address.test(word) ? '<URL stripped for security reasons>' : word))
    .join(' ');

interface Rendered {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Rules refuse with 400, and with 403 and 404 where those are told apart; an outage is a 503. */
const classicStatus = (status: number): number => ([403, 404, 405, 413, 416, 429].includes(status) || status >= 500 ? status : 400);

/** Status and body of anything that a route may throw; null for what nobody foresaw. */
const render = (err: unknown): Rendered | null => {
  if (err instanceof InvalidFields) return { status: 400, body: { errors: err.errors, message: 'Validation error', success: false } };
  if (err instanceof CodedProblem) return { status: 400, body: { error: { [err.resource]: withoutUrls(err.code) } } };
  if (err instanceof NotServed) return { status: err.status, body: { error: err.message, context: err.context } };
  const problem = toProblem(err);
  if (problem === null) return null;
  const { status, message, headers = {} } = problem;
  return { status: classicStatus(status), body: { error: withoutUrls(message) }, headers };
};

/** Renders what a route threw. An answer that has begun is cut off, so that nobody takes it for complete. */
export const renderClassicProblems = (logger: Logger): ErrorRequestHandler =>
  function renderClassicProblems(err: unknown, req, res, _next) {
    const requestId: unknown = res.locals['requestId'];
    const rendered = render(err);
    if (rendered === null || rendered.status >= 500)
      logger.error({ err, requestId, method: req.method, path: req.path }, 'a request failed');
    if (res.headersSent) {
      res.destroy();
      return;
    }
    for (const name of res.getHeaderNames())
      if (/^(content-|etag$|accept-ranges$)/.test(name) && name !== 'content-security-policy') res.removeHeader(name);
    if (rendered?.headers !== undefined) res.set(rendered.headers);
    const unforeseen = { error: `The service failed; tell its operator the request id ${String(requestId)}` };
    res.status(rendered?.status ?? 500).json(rendered?.body ?? unforeseen);
  };
