/** Where the gateway listens: a unix socket, TCP, and a canary that nobody must reach. */

import { once } from 'node:events';
import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { dirname } from 'node:path';
import type { Closeable } from '../../infra/process/lifecycle.ts';

/** A listener that can be closed, and where it is. */
export interface Listener extends Closeable {
  /** the port, or null for a unix socket */
  readonly port: number | null;
}

/** No byte in either direction for this long ends a connection, in milliseconds; above the longest long poll. */
const idleMs = 120_000;
/** Above the pauses of agents between requests, so that a kept connection is not closed under a request. */
const keepAliveMs = 75_000;
const closePatienceMs = 10_000;

const createAgentServer = (app: RequestListener): Server => {
  // an upload lasts as long as it makes progress: idle time is limited instead of the whole request
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: keepAliveMs, headersTimeout: 20_000 }, app);
  server.setTimeout(idleMs);
  return server;
};

/** Stops taking connections, ends idle ones, and after a while all. */
const closeServer = async (server: Server): Promise<void> => {
  const late = setTimeout(() => server.closeAllConnections(), closePatienceMs);
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  await closed;
  clearTimeout(late);
};

/**
 * Listens on a unix socket that every uid may connect to: the folder lets nobody list it, and the token decides. A
 * socket that an earlier process left behind is removed.
 * @throws Error when the path holds anything that is no socket
 */
export const listenOnSocket = async (app: RequestListener, path: string): Promise<Listener> => {
  const folder = dirname(path);
  if ((await mkdir(folder, { recursive: true })) !== undefined) await chmod(folder, 0o711);
  await removeStaleSocket(path);
  const server = createAgentServer(app);
  server.listen(path);
  await once(server, 'listening');
  await chmod(path, 0o666);
  return { name: 'gateway socket', port: null, close: () => closeServer(server) };
};

const removeStaleSocket = async (path: string): Promise<void> => {
  const found = await lstat(path).catch(() => null);
  if (found === null) return;
  if (!found.isSocket()) throw new Error('C2D_GATEWAY_SOCKET_PATH names something that is no socket');
  await unlink(path);
};

const portOf = (server: { address(): ReturnType<Server['address']> }): number | null => {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : null;
};

/** @param port 0: any free one */
export const listenOnPort = async (app: RequestListener, host: string, port: number): Promise<Listener> => {
  const server = createAgentServer(app);
  server.listen(port, host);
  await once(server, 'listening');
  return { name: 'gateway port', port: portOf(server), close: () => closeServer(server) };
};

/** Takes connections and ends them: a pod that gets that far is not isolated. */
export const listenAsCanary = async (host: string, port: number): Promise<Listener> => {
  const server = createTcpServer((socket) => socket.on('error', () => undefined).destroy());
  server.listen(port, host);
  await once(server, 'listening');
  return { name: 'canary', port: portOf(server), close: () => new Promise((resolve) => server.close(() => resolve())) };
};
