/** A way to a chain's node on which answers get lost: what was asked for has been done, and nobody is told. */

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The way. */
export interface LossyChain {
  readonly rpcUrl: string;
  /** how many answers were swallowed */
  readonly lost: () => number;
  close(): Promise<void>;
}

const readBody = async (req: IncomingMessage): Promise<string> => {
  const pieces: Buffer[] = [];
  for await (const piece of req) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString('utf8');
};

/** Passes every request on, and cuts the connection instead of answering one that sent a transaction. */
export const openLossyChain = async (rpcUrl: string): Promise<LossyChain> => {
  let lost = 0;
  const server = createServer((req, res) => {
    void (async () => {
      const body = await readBody(req);
      const answer = await fetch(rpcUrl, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
      const text = await answer.text();
      if (!body.includes('eth_sendRawTransaction')) return res.writeHead(200, { 'content-type': 'application/json' }).end(text);
      lost += 1;
      return res.destroy();
    })().catch(() => res.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    rpcUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lost: () => lost,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
};
