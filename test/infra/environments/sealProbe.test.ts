import { execFile, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { sealProbe, type SealTarget } from '../../../infra/environments/sealProbe.ts';

const host = '127.0.0.1';
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const listen = async (server: Server): Promise<number> => {
  server.listen(0, host);
  await once(server, 'listening');
  closing.push(() => server.close());
  return (server.address() as AddressInfo).port;
};

const listenUdp = async (onMessage: (socket: Socket, port: number) => void): Promise<number> => {
  const socket = createSocket('udp4');
  socket.on('message', (_bytes, { port }) => onMessage(socket, port));
  socket.bind(0, host);
  await once(socket, 'listening');
  closing.push(() => socket.close());
  return socket.address().port;
};

/** A port that nobody listens on. */
const aClosedPort = async (): Promise<number> => {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, 'close');
  return port;
};

const neverAccepts = `
const server = require('node:net').createServer().listen({ port: 0, host: '${host}', backlog: 1 }, () => {
  require('node:fs').writeSync(1, String(server.address().port));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});`;

/** A port where packets are dropped, as a policy drops them: its queue of connections is full, and nobody takes one. */
const aSilentPort = async (): Promise<number> => {
  const child = spawn(process.execPath, ['-e', neverAccepts], { stdio: ['ignore', 'pipe', 'inherit'] });
  closing.push(() => child.kill('SIGKILL'));
  const [bytes] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(bytes.toString());
  for (let taken = true; taken;) {
    const socket = connect({ host, port });
    closing.push(() => socket.destroy());
    taken = await Promise.race([once(socket, 'connect').then(() => true), delay(300, false)]);
  }
  return port;
};

/**
 * Runs the program as a pod does, but with the targets of the test alone: the routes of this machine are not the pod's,
 * and no packet leaves it.
 */
const probe = (targets: readonly SealTarget[]): Promise<{ readonly code: number; readonly lines: readonly string[] }> => {
  const program = sealProbe(targets, 86)
    .replace(/^const targets = .*$/m, `const targets = ${JSON.stringify(targets)};`)
    .replace("'/proc/net/route'", "'/dev/null'");
  return new Promise((resolve) => {
    execFile(process.execPath, ['-e', program], (err, stdout) =>
      resolve({ code: err === null ? 0 : Number(err.code), lines: stdout.trim().split('\n') }),
    );
  });
};

const aTarget = (kind: SealTarget['kind'], port: number): SealTarget => ({ name: 'something', kind, host, port });

describe('the program of self-tests', () => {
  test('notices a port that takes connections', async () => {
    const port = await listen(createServer((socket) => socket.destroy()));
    const { code, lines } = await probe([aTarget('tcp', port)]);
    expect({ code, lines }).toEqual({ code: 86, lines: [`reached something at 127.0.0.1 port ${port}: it takes connections`] });
  });

  test('takes a refusal for a way out: a packet came back', async () => {
    const port = await aClosedPort();
    const { code, lines } = await probe([aTarget('tcp', port)]);
    expect({ code, lines }).toEqual({
      code: 86,
      lines: [`reached something at 127.0.0.1 port ${port}: it refuses, so packets come back`],
    });
  });

  test('notices a name server that answers over UDP', async () => {
    const port = await listenUdp((socket, sender) => socket.send('answer', sender, host));
    const { code, lines } = await probe([aTarget('dns', port)]);
    expect(code).toBe(86);
    expect(lines[0]).toMatch(/it answers over UDP$/);
  });

  test('asks a silent server several times, in case a packet is lost', async () => {
    let asked = 0;
    const port = await listenUdp(() => void (asked += 1));
    // TCP on that port is refused here: only the number of questions matters
    await probe([aTarget('dns', port)]);
    expect(asked).toBe(3);
  });

  test.each([
    [401, 0],
    [429, 0],
    [503, 0],
    [200, 86],
    [302, 86],
  ])('a gateway that answers %d to a caller without a token ends it with %d', async (status, code) => {
    const port = await listen(createHttpServer((_req, res) => res.writeHead(status).end()));
    expect((await probe([aTarget('gateway', port)])).code).toBe(code);
  });

  test('is content when it reaches nothing', async () => {
    const { code, lines } = await probe([aTarget('tcp', await aSilentPort())]);
    expect({ code, lines }).toEqual({ code: 0, lines: ['reached nothing but the gateway; tried something'] });
  });

  test('always tries the metadata address', () => {
    expect(sealProbe([], 86)).toContain('169.254.169.254');
  });

  test('tells everything that it reached', async () => {
    const first = await listen(createServer((socket) => socket.destroy()));
    const second = await listen(createServer((socket) => socket.destroy()));
    const { lines } = await probe([aTarget('tcp', first), aTarget('tcp', second)]);
    expect(lines).toHaveLength(2);
  });
});
