import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { startGatewayFront, type GatewayFront } from '../../../infra/toolchain/gatewayFront.ts';
import { findFreePorts } from '../../../infra/toolchain/program.ts';

const host = '127.0.0.1';
const servers: Server[] = [];
let front: GatewayFront | undefined;

afterEach(async () => {
  await front?.close();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

const startBackend = async (name: string): Promise<number> => {
  const server = createServer((req, res) => {
    req.resume().on('end', () => res.end(name));
  });
  servers.push(server);
  server.listen(0, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};

const startFront = async (backends: readonly number[]): Promise<() => Promise<string>> => {
  const [port = 0] = await findFreePorts(1);
  front = await startGatewayFront({ host, port, backends });
  return async () => {
    const answer = await fetch(`http://${host}:${port}/`, { method: 'POST', body: 'hello', headers: { connection: 'close' } });
    return answer.text();
  };
};

describe('a front of several gateways', () => {
  test('shares connections out', async () => {
    const ask = await startFront([await startBackend('one'), await startBackend('other')]);
    const answers = [await ask(), await ask(), await ask(), await ask()];
    expect(answers.toSorted()).toEqual(['one', 'one', 'other', 'other']);
  });

  test('passes over those that are away', async () => {
    const [gone = 0] = await findFreePorts(1);
    const ask = await startFront([gone, await startBackend('other')]);
    expect([await ask(), await ask()]).toEqual(['other', 'other']);
  });

  test('breaks a connection that no gateway takes', async () => {
    const [gone = 0] = await findFreePorts(1);
    const ask = await startFront([gone]);
    await expect(ask()).rejects.toThrow();
  });
});
