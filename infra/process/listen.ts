/** Listens, on TCP or on a socket file, and ends without cutting anybody off. */

import { chmod, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Closeable } from './lifecycle.ts';

/** Where to listen: a TCP port (0: any free one), or a socket file that every user may open. */
export type ListenPlace = { readonly host: string; readonly port: number } | { readonly socketPath: string };

/** A listening server. */
export interface Listener extends Closeable {
  /** `http://host:port` with the real port, or `unix:<path>` */
  readonly url: string;
}

const drainMs = 30_000;

/**
 * Starts listening. Closing refuses new connections at once, lets open requests finish, and cuts what is left after
 * half a minute. A socket file that a killed process left behind is replaced.
 * @param onDrain called first when closing: ends streams that would go on for ever
 */
export const listen = async (
  handler: RequestListener,
  place: ListenPlace,
  { name = 'http', onDrain = (): void => undefined } = {},
): Promise<Listener> => {
  const server = createServer({ keepAliveTimeout: 65_000, headersTimeout: 30_000, requestTimeout: 0 }, handler);
  if ('socketPath' in place) await rm(place.socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen('socketPath' in place ? { path: place.socketPath } : place, () => {
      server.off('error', reject);
      resolve();
    });
  });
  // agents run under a uid of their own; what they may do, their token says
  if ('socketPath' in place) await chmod(place.socketPath, 0o666);
  return { name, url: urlOf(server, place), close: () => drain(server, onDrain) };
};

const urlOf = (server: Server, place: ListenPlace): string => {
  if ('socketPath' in place) return `unix:${place.socketPath}`;
  const { port } = server.address() as AddressInfo;
  return `http://${place.host.includes(':') ? `[${place.host}]` : place.host}:${port}`;
};

const drain = (server: Server, onDrain: () => void): Promise<void> =>
  new Promise((resolve, reject) => {
    onDrain();
    const late = setTimeout(() => server.closeAllConnections(), drainMs);
    server.close((err) => {
      clearTimeout(late);
      if (err === undefined) resolve();
      else reject(err);
    });
    server.closeIdleConnections();
  });
