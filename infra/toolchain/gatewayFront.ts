/** One address for several gateways, as a Service of a cluster gives it: connections are shared out, and none goes to one that is away. */

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** What stands in front of them. */
export interface GatewayFront {
  close(): Promise<void>;
}

/** Where it listens, and what is behind it on the same address. */
export interface GatewayFrontOptions {
  readonly host: string;
  readonly port: number;
  readonly backends: readonly number[];
}

/** Takes connections and hands each to the next gateway in turn that takes it. What was sent on a connection whose gateway dies is lost with it. */
export const startGatewayFront = async ({ host, port, backends }: GatewayFrontOptions): Promise<GatewayFront> => {
  const sockets = new Set<Socket>();
  let turn = 0;
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    const first = turn++ % backends.length;
    track(sockets, socket);
    void findBackend(host, [...backends.slice(first), ...backends.slice(0, first)]).then((backend) => {
      if (backend === undefined || socket.destroyed) return void [socket, backend].forEach((each) => each?.destroy());
      track(sockets, backend);
      join(socket, backend);
      socket.resume();
    });
  });
  server.listen(port, host);
  await once(server, 'listening');
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
};

const track = (sockets: Set<Socket>, socket: Socket): void => {
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket));
  // the close that follows tells the other side
  socket.on('error', () => undefined);
};

/** @returns undefined when none takes the connection */
const findBackend = async (host: string, ports: readonly number[]): Promise<Socket | undefined> => {
  for (const port of ports) {
    const socket = connect({ host, port, allowHalfOpen: true });
    try {
      await once(socket, 'connect');
      return socket;
    } catch {
      socket.destroy();
    }
  }
  return undefined;
};

const join = (one: Socket, other: Socket): void => {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.pipe(to);
    // broken, not ended: whoever is on the other side must learn it at once
    from.on('close', () => {
      if (!from.readableEnded) to.destroy();
    });
  }
};
