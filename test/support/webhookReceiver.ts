/** An operator's server for webhooks: a real one, that keeps what it gets. */

import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request, as it came. */
export interface ReceivedWebhook {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface WebhookReceiver {
  readonly origin: string;
  close(): Promise<void>;
}

/**
 * Starts one on 127.0.0.1.
 * @param onWebhook is told of each request when its body is there, before it is answered
 * @param answer default: 204
 */
export const startWebhookReceiver = async (
  onWebhook: (webhook: ReceivedWebhook) => void | Promise<void>,
  answer: (res: ServerResponse, webhook: ReceivedWebhook) => void = (res) => void res.writeHead(204).end(),
): Promise<WebhookReceiver> => {
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const webhook = { path: req.url ?? '', headers: req.headers, body: Buffer.concat(chunks).toString() };
      void Promise.resolve(onWebhook(webhook)).then(() => answer(res, webhook));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
};
