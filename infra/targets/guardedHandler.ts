/** Requests of the S3 library over guarded connections. */

import type { Dispatcher } from 'undici';

/** As the library has signed it: nothing of it may be changed. */
interface SignedRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number | undefined;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[] | null>> | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer | string | null | undefined;
}

const escape = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

const queryOf = (query: SignedRequest['query']): string => {
  const pairs = Object.entries(query ?? {}).flatMap(([name, value]) => {
    if (value === null) return [escape(name)];
    return [value].flat().map((one) => `${escape(name)}=${escape(one)}`);
  });
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
};

const flatten = (headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, [value].flat().join(', ')]])));

/** These belong to the connection, which is not the library's. */
const isOwn = (name: string): boolean => ['connection', 'expect', 'transfer-encoding'].includes(name.toLowerCase());

/**
 * What the library calls instead of its own connections. No redirect is followed: a redirected request would have to be
 * signed again, for a place that nobody has named.
 */
export const guardedHandler = (dispatcher: Dispatcher) => ({
  metadata: { handlerProtocol: 'http/1.1' },
  async handle(request: SignedRequest, { abortSignal }: { readonly abortSignal?: unknown } = {}) {
    const { protocol, hostname, port, path, query, headers, body, method } = request;
    const answer = await dispatcher.request({
      origin: `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`,
      path: `${path}${queryOf(query)}`,
      method,
      headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !isOwn(name))),
      body: body ?? null,
      ...(abortSignal instanceof AbortSignal && { signal: abortSignal }),
    });
    return { response: { statusCode: answer.statusCode, headers: flatten(answer.headers), body: answer.body } };
  },
  updateHttpClientConfig: (): void => undefined,
  httpHandlerConfigs: () => ({}),
  destroy: (): void => undefined,
});
