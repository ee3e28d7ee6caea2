import { once } from 'node:events';
import { lstat, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { ConfigurationError, parseConfig } from '../../../infra/process/config.ts';
import { gatewayConfig } from '../../../workers/gateway/config.ts';
import { listenAsCanary, listenOnPort, listenOnSocket, type Listener } from '../../../workers/gateway/listen.ts';

let folder: string;
const listeners: Listener[] = [];
const keep = async (listener: Promise<Listener>): Promise<Listener> => {
  listeners.push(await listener);
  return listener;
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'c2d-listen-'));
});

afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener.close();
  await rm(folder, { recursive: true, force: true });
});

const ask = async (where: { socketPath: string } | { port: number }): Promise<string> => {
  const outgoing = request({ ...where, host: '127.0.0.1', agent: false }).end();
  const [response] = (await once(outgoing, 'response')) as [NodeJS.ReadableStream];
  return text(response);
};

describe('listenOnSocket', () => {
  test('every uid may connect, nobody else may list the folder', async () => {
    const path = join(folder, 'run/gateway.sock');
    await keep(listenOnSocket((_req, res) => res.end('here'), path));
    expect(await ask({ socketPath: path })).toBe('here');
    expect((await stat(path)).mode & 0o777).toBe(0o666);
    expect((await stat(dirname(path))).mode & 0o777).toBe(0o711);
  });

  test('a socket that a killed process left behind is replaced', async () => {
    const path = join(folder, 'gateway.sock');
    const dead = createServer().listen(path);
    await once(dead, 'listening');
    const left = (await lstat(path)).ino;
    await keep(listenOnSocket((_req, res) => res.end('new'), path));
    expect((await lstat(path)).ino).not.toBe(left);
    expect(await ask({ socketPath: path })).toBe('new');
    await new Promise((resolve) => dead.close(resolve));
  });

  test('anything that is no socket is left alone', async () => {
    const path = join(folder, 'gateway.sock');
    await writeFile(path, 'precious');
    await expect(listenOnSocket(() => undefined, path)).rejects.toThrow(/no socket/);
    expect((await stat(path)).size).toBe(8);
  });
});

describe('listenOnPort', () => {
  test('closing waits for the answer that is under way', async () => {
    const arrived = Promise.withResolvers<() => void>();
    const listener = await listenOnPort((_req, res) => arrived.resolve(() => res.end('finished')), '127.0.0.1', 0);
    const asked = ask({ port: listener.port! });
    const answer = await arrived.promise;
    const closed = listener.close();
    answer();
    expect(await asked).toBe('finished');
    await closed;
  });
});

describe('listenAsCanary', () => {
  test('takes a connection and ends it', async () => {
    const { port } = await keep(listenAsCanary('127.0.0.1', 0));
    const socket = connect(port!, '127.0.0.1');
    await once(socket, 'connect');
    await once(socket.resume(), 'close');
  });
});

describe('gatewayConfig', () => {
  const good = {
    DATABASE_URL: 'postgres://u:p@127.0.0.1/db',
    C2D_ENCRYPTION_KEYS: `a:${Buffer.alloc(32).toString('base64')}`,
    C2D_ENVIRONMENTS: '[{"id":"test"}]',
    C2D_CHAINS: `[{"chainId":1,"rpcUrl":"http://127.0.0.1:1","erc721FactoryAddress":"0x${'1'.repeat(40)}"}]`,
    C2D_PROVIDER_PRIVATE_KEY: `0x${'1'.repeat(64)}`,
    C2D_STORAGE_FOLDER: '/tmp/results',
    C2D_GATEWAY_SOCKET_PATH: '/run/c2d/gateway.sock',
  };

  test('a socket alone is enough, and the rest has defaults', () => {
    expect(parseConfig(gatewayConfig, good)).toMatchObject({ C2D_UPLOAD_PART_BYTES: 8 * 1024 ** 2, C2D_AGENT_HEARTBEAT_SECONDS: 4 });
  });

  test.each<[string, Record<string, string>, RegExp]>([
    ['nowhere to listen', { C2D_GATEWAY_SOCKET_PATH: '' }, /C2D_GATEWAY_SOCKET_PATH/],
    ['a relative socket path', { C2D_GATEWAY_SOCKET_PATH: 'x.sock' }, /C2D_GATEWAY_SOCKET_PATH/],
    ['a canary without an address', { C2D_GATEWAY_CANARY_PORT: '9' }, /C2D_GATEWAY_CANARY_PORT/],
    ['tiny parts', { C2D_UPLOAD_PART_BYTES: '1' }, /C2D_UPLOAD_PART_BYTES/],
    ['a key that is none', { C2D_PROVIDER_PRIVATE_KEY: 'secret-value' }, /C2D_PROVIDER_PRIVATE_KEY/],
  ])('%s is refused by the key, and no value is told', (_name, change, key) => {
    const parse = (): unknown => parseConfig(gatewayConfig, { ...good, ...change });
    expect(parse).toThrow(ConfigurationError);
    expect(parse).toThrow(key);
    expect(parse).not.toThrow(/secret-value/);
  });
});
