/** What is sent where, first and after each redirect. Pure. */

import type { OutboundRequest } from './guardedFetch.ts';
import { OutboundRefused } from './outboundErrors.ts';

/** One request as it goes out. */
export interface Hop {
  readonly url: URL;
  readonly method: OutboundRequest['method'];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | undefined;
}

/** Headers that carry no secret of a file object; only these follow a redirect to another origin. */
const harmless = new Set(['accept', 'accept-encoding', 'content-type', 'range', 'user-agent']);

/** Headers that belong to the connection, or would let a file object pretend to be somebody else's request. */
const notTheCallers = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const parseTarget = (text: string, base?: URL): URL => {
  const url = base === undefined ? URL.parse(text) : URL.parse(text, base.href);
  if (url === null) throw new OutboundRefused('the data source has no valid address');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new OutboundRefused('the data source is neither http nor https');
  if (url.hostname === '') throw new OutboundRefused('the data source has no valid address');
  url.hash = '';
  return url;
};

/** Moves user name and password from the URL into a header. */
const takeCredentials = (url: URL): Readonly<Record<string, string>> => {
  if (url.username === '' && url.password === '') return {};
  const text = `${decodePart(url.username)}:${decodePart(url.password)}`;
  url.username = '';
  url.password = '';
  return { authorization: `Basic ${Buffer.from(text, 'utf8').toString('base64')}` };
};

const decodePart = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

const firstHop = (request: OutboundRequest): Hop => {
  const url = parseTarget(request.url);
  const headers: Record<string, string> = { 'accept-encoding': 'identity', 'user-agent': 'durable-c2d', ...takeCredentials(url) };
  for (const [name, value] of Object.entries(request.headers)) {
    const lower = name.toLowerCase();
    if (!notTheCallers.has(lower)) headers[lower] = value;
  }
  if (request.range !== undefined) headers['range'] = `bytes=${request.range.start}-${request.range.end ?? ''}`;
  return { url, method: request.method, headers, body: request.body };
};

/** As browsers do (Fetch standard): 303, and a POST answered with 301 or 302, go on as GET without a body. */
const hopAfter = (hop: Hop, statusCode: number, location: string): Hop => {
  const url = parseTarget(location, hop.url);
  const becomesGet = (statusCode === 303 && hop.method !== 'HEAD') || ((statusCode === 301 || statusCode === 302) && hop.method === 'POST');
  const sameOrigin = url.origin === hop.url.origin;
  const kept = Object.entries(hop.headers).filter(
    ([name]) => (sameOrigin || harmless.has(name)) && !(becomesGet && name === 'content-type'),
  );
  // credentials that a redirect brings along are its own, for its own origin
  const headers = { ...Object.fromEntries(kept), ...takeCredentials(url) };
  return { url, method: becomesGet ? 'GET' : hop.method, headers, body: becomesGet ? undefined : hop.body };
};

/** `first` is the request as asked for; `after` follows a redirect. Both refuse everything but http and https. */
export const nextHop = { first: firstHop, after: hopAfter };
