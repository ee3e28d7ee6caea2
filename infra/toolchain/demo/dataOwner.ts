/** The data owner's web server: holds the files, counts who fetches them. Nothing else in the demo has the data. */

import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';

/** A running data server. */
export interface DataOwner {
  /** address of one of its files */
  url(name: string): string;
  /** GET requests answered with content, per name */
  fetches(name: string): number;
  /** bytes sent, all files together */
  bytesSent(): number;
  close(): Promise<void>;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** One range of `bytes=a-b`; null for none, `unsatisfiable` for one past the end. */
const readRange = (header: string | undefined, size: number): Range | null | 'unsatisfiable' => {
  const match = /^bytes=(\d+)-(\d*)$/.exec(header ?? '');
  if (match === null) return null;
  const start = Number(match[1]);
  const end = match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  return start >= size || end < start ? 'unsatisfiable' : { start, end };
};

/**
 * Serves files over HTTP on 127.0.0.1, with ranges, as a data owner's web server would.
 * @param files path of each file by the name under which it is served
 */
export const startDataOwner = async (files: Readonly<Record<string, string>>): Promise<DataOwner> => {
  const fetched = new Map<string, number>();
  let bytesSent = 0;

  const serve = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const name = decodeURIComponent((req.url ?? '/').slice(1).replace(/\?.*$/, ''));
    const file = Object.hasOwn(files, name) ? files[name] : undefined;
    if (file === undefined) return void res.writeHead(404).end();
    const { size } = await stat(file);
    const range = readRange(req.headers.range, size);
    if (range === 'unsatisfiable') return void res.writeHead(416, { 'content-range': `bytes */${size}` }).end();
    const { start, end } = range ?? { start: 0, end: size - 1 };
    res.writeHead(range === null ? 200 : 206, {
      'content-type': 'application/octet-stream',
      'accept-ranges': 'bytes',
      'content-length': end - start + 1,
      ...(range && { 'content-range': `bytes ${start}-${end}/${size}` }),
    });
    if (req.method === 'HEAD') return void res.end();
    fetched.set(name, (fetched.get(name) ?? 0) + 1);
    bytesSent += end - start + 1;
    await pipeline(createReadStream(file, { start, end }), res);
  };

  const server = createServer((req, res) => {
    serve(req, res).catch(() => res.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: (name) => `http://127.0.0.1:${port}/${encodeURIComponent(name)}`,
    fetches: (name) => fetched.get(name) ?? 0,
    bytesSent: () => bytesSent,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
};
