/** A data owner's web server for tests: content by name, with ranges, and a record of what was asked. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Answers one request itself instead of serving content. */
export type Handler = (req: IncomingMessage, res: ServerResponse) => void;

/** What an address stands for. */
export type Content = string | Uint8Array | Handler;

export interface FileServer {
  /** `http://127.0.0.1:port` */
  readonly origin: string;
  /** Serves `content` under a new address. @returns the address */
  serve(content: Content): string;
  /** GET requests so far, per address */
  requests(url: string): number;
  close(): Promise<void>;
}

/** Answers one request with `content`, or the part of it that is asked for. */
export const sendContent = (content: Buffer, req: IncomingMessage, res: ServerResponse): void => {
  const match = /^bytes=(\d+)-(\d*)$/.exec(req.headers.range ?? '');
  if (match === null) {
    res.writeHead(200, { 'content-length': content.length, 'accept-ranges': 'bytes' });
    res.end(req.method === 'HEAD' ? undefined : content);
    return;
  }
  const start = Number(match[1]);
  const end = match[2] === '' ? content.length - 1 : Math.min(Number(match[2]), content.length - 1);
  if (start >= content.length) {
    res.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
    return;
  }
  const part = content.subarray(start, end + 1);
  res.writeHead(206, { 'content-length': part.length, 'content-range': `bytes ${start}-${end}/${content.length}` });
  res.end(req.method === 'HEAD' ? undefined : part);
};

/** Starts a server on 127.0.0.1. */
export const startFileServer = async (): Promise<FileServer> => {
  const contents: (Buffer | Handler)[] = [];
  const counts: number[] = [];
  const server = createServer((req, res) => {
    const number = Number(/^\/files\/(\d+)(?:\?|$)/.exec(req.url ?? '')?.[1] ?? NaN);
    const content = contents[number];
    if (content === undefined) return void res.writeHead(404).end();
    if (req.method === 'GET') counts[number] = (counts[number] ?? 0) + 1;
    if (typeof content === 'function') content(req, res);
    else sendContent(content, req, res);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/files/`;
  return {
    origin: new URL(base).origin,
    serve: (content) => {
      contents.push(typeof content === 'function' ? content : Buffer.from(content as Uint8Array));
      return `${base}${contents.length - 1}`;
    },
    requests: (url) => counts[Number(url.slice(base.length))] ?? 0,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
};
