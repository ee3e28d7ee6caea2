/** Servers on all addresses of a sealed network: they tell every connection, whatever is sent over it. */

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { publicHost, redirectPath, witnessPorts } from './rows.ts';

/** What listens, and where it was reached since it was last asked. */
export interface Witness {
  /** addresses as connections named them, in order; IPv4-mapped ones as IPv4 */
  take(): readonly string[];
  close(): Promise<void>;
}

/** Fails outside a network that has nothing but the loopback: what a broken guard lets through must not leave it. */
export const requireSealed = (): void => {
  const devices = readFileSync('/proc/self/net/dev', 'utf8')
    .split('\n')
    .slice(2)
    .flatMap((line) => line.split(':')[0]?.trim() || []);
  if (devices.join() !== 'lo') throw new Error('this network is not sealed');
};

/** The public host redirects as its path says; everybody else has something worth stealing. */
const answer = (path: string, res: ServerResponse): void => {
  const url = new URL(path, `http://${publicHost}`);
  if (url.pathname !== redirectPath) return void res.end('secret');
  const status = Number(url.searchParams.get('status'));
  const headers = Object.fromEntries([...url.searchParams].flatMap(([name, value]) => (name === 'status' ? [] : [[name, value]])));
  res.writeHead(status, { ...headers, connection: 'close' }).end('moved');
};

const listenOn = async (host: string, port: number, connections: string[]): Promise<Server> => {
  const server = createServer((req, res) => answer(req.url ?? '/', res));
  // told at once: a connection that is closed has no address any more
  server.on('connection', ({ localAddress = 'unknown' }: Socket) => connections.push(localAddress.replace(/^::ffff:(?=\d+\.)/, '')));
  server.on('clientError', (_err, socket) => void socket.destroy());
  server.listen({ host, port, ipv6Only: host === '::' });
  await once(server, 'listening');
  return server;
};

/** Starts them on both families and all ports that the rows name. */
export const startWitness = async (): Promise<Witness> => {
  const connections: string[] = [];
  const servers = await Promise.all(['0.0.0.0', '::'].flatMap((host) => witnessPorts.map((port) => listenOn(host, port, connections))));
  return {
    take: () => connections.splice(0),
    close: async () => {
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
};
