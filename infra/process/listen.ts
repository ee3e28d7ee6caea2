/** Listens, on TCP or on a socket file, and ends without cutting anybody off. */

import { once } from 'node:events';
import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import type { Closeable } from './lifecycle.ts';

/** Where to listen: a TCP port (0: any free one), or a socket file that every user of the machine may open. */
export type ListenPlace = { readonly host: string; readonly port: number } | { readonly socketPath: string };

/** What differs between listeners. */
export interface ListenOptions {
  /** in messages; default `http` */
  readonly name?: string;
  /** longest request, body included; 0 lets a transfer last as long as it makes progress. Default five minutes */
  readonly requestTimeoutMs?: number;
  /** called first when closing: ends streams that would go on for ever */
  readonly onDrain?: () => void;
}

/** A listening server. */
export interface Listener extends Closeable {
  /** `http://host:port` with the real port, or `unix:<path>` */
  readonly url: string;
}

const drainMs = 20_000;
/** No byte in either direction for this long ends a connection; above the longest long poll. */
const idleMs = 120_000;
/** Above the pauses of clients between requests, so that a kept connection is not closed under a request. */
const keepAliveMs = 75_000;

/**
 * Starts listening. Closing refuses new connections at once, lets open requests finish, and cuts what is left after a
 * while. A socket file that a killed process left behind is replaced.
 * @throws Error when the place is taken, or a socket's path holds anything that is no socket
 */
export const listen = async (handler: RequestListener, place: ListenPlace, options: ListenOptions = {}): Promise<Listener> => {
  const { name = 'http', requestTimeoutMs = 300_000, onDrain = () => undefined } = options;
  const timeouts = { keepAliveTimeout: keepAliveMs, headersTimeout: 20_000, requestTimeout: requestTimeoutMs };
  const server = createServer(timeouts, handler);
  server.setTimeout(idleMs);
  if ('socketPath' in place) await makeRoomForSocket(place.socketPath);
  server.listen('socketPath' in place ? { path: place.socketPath } : place);
  await once(server, 'listening');
  // agents run under a uid of their own; what they may do, their token says
  if ('socketPath' in place) await chmod(place.socketPath, 0o666);
  return { name, url: urlOf(server, place), close: () => drain(server, onDrain) };
};

/** A new folder lets nobody list it. */
const makeRoomForSocket = async (path: string): Promise<void> => {
  const folder = dirname(path);
  if ((await mkdir(folder, { recursive: true })) !== undefined) await chmod(folder, 0o711);
  const found = await lstat(path).catch(() => null);
  if (found === null) return;
  if (!found.isSocket()) throw new Error('the path to listen on names something that is no socket');
  await unlink(path);
};

const urlOf = (server: Server, place: ListenPlace): string => {
  if ('socketPath' in place) return `unix:${place.socketPath}`;
  const { port } = server.address() as AddressInfo;
  return `http://${place.host.includes(':') ? `[${place.host}]` : place.host}:${port}`;
};

const drain = async (server: Server, onDrain: () => void): Promise<void> => {
  onDrain();
  const late = setTimeout(() => server.closeAllConnections(), drainMs);
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  await closed;
  clearTimeout(late);
};
