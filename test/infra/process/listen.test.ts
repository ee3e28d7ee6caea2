import { once } from 'node:events';
import { lstat, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { listen, type Listener } from '../../../infra/process/listen.ts';

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

describe('listening on a socket file', () => {
  test('every uid may connect, nobody else may list the folder', async () => {
    const path = join(folder, 'run/gateway.sock');
    await keep(listen((_req, res) => res.end('here'), { socketPath: path }));
    expect(await ask({ socketPath: path })).toBe('here');
    expect((await stat(path)).mode & 0o777).toBe(0o666);
    expect((await stat(dirname(path))).mode & 0o777).toBe(0o711);
  });

  test('a socket that a killed process left behind is replaced', async () => {
    const path = join(folder, 'gateway.sock');
    const dead = createServer().listen(path);
    await once(dead, 'listening');
    const left = (await lstat(path)).ino;
    await keep(listen((_req, res) => res.end('new'), { socketPath: path }));
    expect((await lstat(path)).ino).not.toBe(left);
    expect(await ask({ socketPath: path })).toBe('new');
    await new Promise((resolve) => dead.close(resolve));
  });

  test('anything that is no socket is left alone', async () => {
    const path = join(folder, 'gateway.sock');
    await writeFile(path, 'precious');
    await expect(listen(() => undefined, { socketPath: path })).rejects.toThrow(/no socket/);
    expect((await stat(path)).size).toBe(8);
  });
});

describe('listening on a port', () => {
  test('closing waits for the answer that is under way', async () => {
    const arrived = Promise.withResolvers<() => void>();
    const listener = await listen((_req, res) => arrived.resolve(() => res.end('finished')), { host: '127.0.0.1', port: 0 });
    const asked = ask({ port: Number(new URL(listener.url).port) });
    const answer = await arrived.promise;
    const closed = listener.close();
    answer();
    expect(await asked).toBe('finished');
    await closed;
  });
});
