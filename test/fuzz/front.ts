/** Stands before an API that is fuzzed: completes signatures, passes everything else on as it is, and counts the answers. */

import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { fillSignature, type SigningTable } from './signing.ts';

/** Answers by status, for each call. */
export type Tally = Readonly<Record<string, Readonly<Record<number, number>>>>;

export interface Front {
  readonly url: string;
  /** what was answered since the last `reset` */
  tally(): Tally;
  reset(): void;
  close(): Promise<void>;
}

interface FrontOptions {
  /** where the API is, without a path */
  readonly target: string;
  readonly signings: SigningTable;
  /** `POST /path/{id}` of each call */
  readonly calls: readonly string[];
}

const callMatcher = (calls: readonly string[]): ((method: string, url: string) => string) => {
  const patterns = calls.map((call) => ({ call, pattern: new RegExp(`^${call.replaceAll(/\{\w+\}/g, '[^/]+')}$`) }));
  return (method, url) => patterns.find(({ pattern }) => pattern.test(`${method} ${url.split('?')[0]}`))?.call ?? 'no call';
};

/** The length is the changed body's; all else is as it came. */
const headersFor = ({ rawHeaders }: IncomingMessage, before: Buffer, after: Buffer): string[] =>
  before === after
    ? rawHeaders
    : rawHeaders.map((text, index) => (rawHeaders[index - 1]?.toLowerCase() === 'content-length' ? String(after.length) : text));

/** Starts on a free port of 127.0.0.1. */
export const openFront = async ({ target, signings, calls }: FrontOptions): Promise<Front> => {
  const match = callMatcher(calls);
  let counts: Record<string, Record<number, number>> = {};
  const pass = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const [method = 'GET', before] = [req.method, await buffer(req)];
    const { url, body } = fillSignature(signings, method, { url: req.url ?? '/', body: before });
    const upstream = request(`${target}/`, { method, path: url, headers: headersFor(req, before, body) }).end(body);
    const [answer] = (await once(upstream, 'response')) as [IncomingMessage];
    const status = answer.statusCode ?? 0;
    const count = (counts[match(method, req.url ?? '/')] ??= {});
    count[status] = (count[status] ?? 0) + 1;
    res.writeHead(status, answer.statusMessage, answer.rawHeaders);
    await pipeline(answer, res);
  };
  const server = createServer({ keepAliveTimeout: 75_000 }, (req, res) => void pass(req, res).catch(() => res.destroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    tally: () => counts,
    reset: () => {
      counts = {};
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
};
