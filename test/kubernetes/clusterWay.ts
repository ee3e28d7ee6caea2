/** A way to the cluster that a test can break: bytes are passed on as they are; the API's certificate is good for this machine too. */

import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';

/** The way, open until it is blocked. */
export interface ClusterWay {
  /** leads through here, with the rights of the one it was made from */
  readonly kubeconfig: string;
  /** how many connections there have been */
  connections(): number;
  /** breaks every connection and takes no new one */
  block(): Promise<void>;
  unblock(): Promise<void>;
  close(): Promise<void>;
}

/** @param kubeconfig path; a file beside it is written */
export const openWay = async (kubeconfig: string): Promise<ClusterWay> => {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const cluster = config.getCurrentCluster();
  const user = config.getCurrentUser();
  if (cluster === null || user === null) throw new Error('the kubeconfig names no cluster or no user');
  const { hostname, port } = new URL(cluster.server);
  const sockets = new Set<Socket>();
  let count = 0;
  const server = createServer((socket) => {
    count += 1;
    const onward = connect({ host: hostname, port: Number(port) });
    for (const end of [socket, onward]) {
      sockets.add(end);
      end
        .on('error', () => undefined)
        .on('close', () => {
          sockets.delete(end);
          (end === socket ? onward : socket).destroy();
        });
    }
    socket.pipe(onward).pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const through = new KubeConfig();
  through.loadFromClusterAndUser({ ...cluster, server: `https://127.0.0.1:${address.port}` }, user);
  const path = `${kubeconfig}.way-${address.port}`;
  await writeFile(path, through.exportConfig(), { mode: 0o600 });
  const block = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return {
    kubeconfig: path,
    connections: () => count,
    block,
    async unblock() {
      server.listen(address.port, '127.0.0.1');
      await once(server, 'listening');
    },
    close: async () => (server.listening ? block() : undefined),
  };
};
