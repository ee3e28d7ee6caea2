/** The other end of a link: serves one file, takes uploads, both at the speed of the link. */

import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { clockMs } from './stage.ts';

/** A running server. */
export interface LinkServer {
  readonly url: string;
  /** when the file was last asked for, milliseconds since the epoch */
  askedAtMs(): number;
  close(): Promise<void>;
}

/** What it serves. */
export interface LinkOptions {
  readonly file: string;
  /** where an upload goes */
  readonly uploadTo: string;
  /** 0: as fast as it goes */
  readonly megabits: number;
}

const chunkBytes = 1024 ** 2;

/** Starts it on 127.0.0.1: GET and HEAD answer the file, PUT stores a body durably. */
export const startLinkServer = async (options: LinkOptions): Promise<LinkServer> => {
  let askedAtMs = 0;
  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    if (req.method === 'PUT') return takeUpload(options, req, res);
    if (req.method === 'GET') askedAtMs = clockMs();
    await sendFile(options, req, res);
  };
  const server = createServer((req, res) => {
    // a client that leaves early is its own business
    answer(req, res).catch(() => res.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`,
    askedAtMs: () => askedAtMs,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
};

const sendFile = async ({ file, megabits }: LinkOptions, req: IncomingMessage, res: ServerResponse): Promise<void> => {
  const { size } = await stat(file);
  const start = Number(/^bytes=(\d+)-$/.exec(req.headers.range ?? '')?.[1] ?? 0);
  const headers = { 'accept-ranges': 'bytes', 'content-length': size - start };
  res.writeHead(start > 0 ? 206 : 200, start > 0 ? { ...headers, 'content-range': `bytes ${start}-${size - 1}/${size}` } : headers);
  if (req.method === 'HEAD') return void res.end();
  await pipeline(createReadStream(file, { start, highWaterMark: chunkBytes }), createPace(megabits), res);
};

const takeUpload = async ({ uploadTo, megabits }: LinkOptions, req: IncomingMessage, res: ServerResponse): Promise<void> => {
  await pipeline(req, createPace(megabits), createWriteStream(uploadTo, { highWaterMark: chunkBytes }));
  const handle = await open(uploadTo, 'r');
  await handle.sync();
  await handle.close();
  res.writeHead(204).end();
};

/** Lets bytes through no faster than the link. */
const createPace = (megabits: number): Transform => {
  const startedAt = performance.now();
  let passed = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      passed += chunk.length;
      const early = megabits === 0 ? 0 : (passed * 8) / (megabits * 1_000) - (performance.now() - startedAt);
      if (early < 1) callback(null, chunk);
      else void delay(early).then(() => callback(null, chunk));
    },
  });
};
