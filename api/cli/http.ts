/** Requests to the service, patient where patience helps. */

import { setTimeout as delay } from 'node:timers/promises';
import { Exit, exits, type ToldProblem } from './exits.ts';

/** One request. */
export interface Asked {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** sent as JSON */
  readonly body?: unknown;
}

/** Sends requests; every one may be repeated. */
export interface Http {
  /** @returns an answer below 400, or a 401 @throws Exit `refused`, or `unreachable` when patience ends */
  send(asked: Asked): Promise<Response>;
  /** Waits a while before the next attempt. @throws the error when patience has ended */
  pause(attempt: Attempts, err: unknown): Promise<void>;
  attempts(): Attempts;
}

/** How long has been tried. */
export interface Attempts {
  count: number;
  readonly deadlineMs: number;
}

const passing = new Set([429, 502, 503, 504]);
const firstPauseMs = 250;
const longestPauseMs = 10_000;

const text = (value: unknown, otherwise: string): string => (typeof value === 'string' && value !== '' ? value : otherwise);

/** What an answer says of a refusal, whichever surface gave it. */
const readProblem = async (response: Response): Promise<ToldProblem> => {
  const raw = await response.text().catch(() => '');
  let body: Readonly<Record<string, unknown>> = {};
  try {
    const parsed: unknown = JSON.parse(raw);
    if (typeof parsed === 'object' && parsed !== null) body = parsed as Readonly<Record<string, unknown>>;
  } catch {
    // a proxy's page says no more than its status
  }
  return {
    status: response.status,
    title: text(body['title'], `HTTP ${response.status}`),
    detail: text(body['detail'], text(body['error'], 'no reason was given')),
    code: text(body['code'], `Http${response.status}`),
    hint: text(body['hint'], ''),
    requestId: text(body['requestId'], response.headers.get('x-request-id') ?? ''),
  };
};

const toExit = (problem: ToldProblem): Exit =>
  new Exit(problem.status >= 500 || problem.status === 429 ? exits.unreachable : exits.refused, problem.detail, problem);

const causeOf = (err: unknown): string => {
  const cause: unknown = err instanceof Error ? err.cause : undefined;
  const code: unknown = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : err instanceof Error ? err.message : 'unknown error';
};

const pauseMs = (count: number, retryAfter: string | null): number =>
  retryAfter !== null && /^\d{1,4}$/.test(retryAfter)
    ? Number(retryAfter) * 1_000
    : Math.min(longestPauseMs, firstPauseMs * 2 ** count) * (0.5 + Math.random() / 2);

const waitAgain = async (attempts: Attempts, retryAfter: string | null, err: unknown): Promise<void> => {
  const milliseconds = pauseMs(attempts.count, retryAfter);
  if (performance.now() + milliseconds > attempts.deadlineMs) throw err;
  attempts.count += 1;
  await delay(milliseconds);
};

const encode = (base: string, { method = 'GET', path, query = {}, headers = {}, body }: Asked): [URL, RequestInit] => {
  const url = new URL(`${base.replace(/\/+$/, '')}${path}`);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value));
  const init = { method, headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers } };
  return [url, body === undefined ? init : { ...init, body: JSON.stringify(body) }];
};

/** @param patienceSeconds how long a service that is away or busy is asked again */
export const createHttp = (base: string, patienceSeconds: number): Http => {
  const attempts = (): Attempts => ({ count: 0, deadlineMs: performance.now() + patienceSeconds * 1_000 });
  return {
    attempts,
    pause: (made, err) => waitAgain(made, null, err),
    async send(asked) {
      const [url, init] = encode(base, asked);
      const made = attempts();
      for (;;) {
        let response: Response;
        try {
          response = await fetch(url, init);
        } catch (err) {
          await waitAgain(made, null, new Exit(exits.unreachable, `${url.origin} cannot be reached: ${causeOf(err)}`));
          continue;
        }
        if (response.status < 400 || response.status === 401) return response;
        const exit = toExit(await readProblem(response));
        if (!passing.has(response.status)) throw exit;
        await waitAgain(made, response.headers.get('retry-after'), exit);
      }
    },
  };
};

/** The refusal that an answer tells. */
export const refusalOf = async (response: Response): Promise<Exit> => toExit(await readProblem(response));
