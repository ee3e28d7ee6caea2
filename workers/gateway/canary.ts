/** A port that no pod must reach. */

import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Closeable } from '../../infra/process/lifecycle.ts';

/** A listening canary. */
export interface Canary extends Closeable {
  readonly port: number;
}

/** Takes connections and ends them: a pod that gets that far is not isolated. @param port 0: any free one */
export const listenAsCanary = async (host: string, port: number): Promise<Canary> => {
  const server = createServer((socket) => socket.on('error', () => undefined).destroy());
  server.listen(port, host);
  await once(server, 'listening');
  const bound = server.address();
  return {
    name: 'canary',
    port: typeof bound === 'object' && bound !== null ? bound.port : port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
};
