/** Listens for consumers, and ends without cutting anybody off. */

import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Closeable } from '../infra/process/lifecycle.ts';

/** A listening server; `port` is the real one. */
export interface Listener extends Closeable {
  readonly port: number;
}

const drainMs = 30_000;

/**
 * Starts listening. Closing refuses new connections at once, lets open requests finish, and cuts what is left after
 * half a minute.
 * @param onDrain called first when closing: ends streams that would go on for ever
 */
export const listen = async (
  handler: RequestListener,
  { host, port, onDrain }: { readonly host: string; readonly port: number; readonly onDrain: () => void },
): Promise<Listener> => {
  const server = createServer({ keepAliveTimeout: 65_000, headersTimeout: 30_000, requestTimeout: 300_000 }, handler);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    name: 'http',
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve, reject) => {
        onDrain();
        const late = setTimeout(() => server.closeAllConnections(), drainMs);
        server.close((err) => {
          clearTimeout(late);
          if (err === undefined) resolve();
          else reject(err);
        });
        server.closeIdleConnections();
      }),
  };
};
