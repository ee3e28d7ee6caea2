/** A proxy that breaks answers off, or spoils tokens, as told: what happens to programs on real networks. */

import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

/** What to do to the next request whose path matches. */
export interface Fault {
  readonly path: RegExp;
  /** breaks the connection after so many bytes of the answer */
  readonly cutAfterBytes?: number;
  /** waited for before the connection is broken */
  readonly beforeCut?: () => Promise<void>;
  /** puts another token in */
  readonly token?: string;
}

/** The proxy; `faults` are used up one by one. */
export const startFaultyProxy = async (target: string, faults: Fault[]) => {
  const seen: { readonly method: string; readonly url: string; readonly headers: IncomingMessage['headers'] }[] = [];
  const relay = (req: IncomingMessage, res: ServerResponse): void => {
    const at = faults.findIndex(({ path }) => path.test(req.url ?? ''));
    const [fault] = at < 0 ? [] : faults.splice(at, 1);
    seen.push({ method: req.method ?? '', url: req.url ?? '', headers: req.headers });
    const headers = { ...req.headers, ...(fault?.token !== undefined && { authorization: `Bearer ${fault.token}` }) };
    const upstream = forward(`${target}${req.url}`, { method: req.method ?? 'GET', headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      let left = fault?.cutAfterBytes ?? Number.POSITIVE_INFINITY;
      const cut = async (): Promise<void> => {
        await fault?.beforeCut?.();
        answer.destroy();
        res.destroy();
      };
      answer.on('data', (piece: Buffer) => {
        const part = piece.subarray(0, Math.min(left, piece.length));
        left -= part.length;
        if (part.length === 0) return;
        res.write(part, () => left === 0 && void cut());
      });
      // an answer that was cut must not look as if it were complete
      answer.on('end', () => left > 0 && res.end());
      answer.on('error', () => res.destroy());
    });
    upstream.on('error', () => res.destroy());
    res.on('close', () => upstream.destroy());
    req.pipe(upstream);
  };
  const server = createServer(relay);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async close(): Promise<void> {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
};
