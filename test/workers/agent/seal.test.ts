import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { findSealBreach } from '../../../workers/agent/seal.ts';

const times = { leastMs: 100, unknownMs: 300, settleMs: 400, refusedMs: 400 };
const servers: Server[] = [];

const listenOn = async (host: string, port = 0): Promise<number> => {
  const server = createServer((socket) => socket.on('error', () => undefined).destroy()).listen(port, host);
  servers.push(server);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
};

/** Takes no connection at all, like a policy that drops packets: its queue is full, so the kernel answers nothing. */
const silentPort = async (): Promise<{ readonly port: number; readonly close: () => void }> => {
  const { connect } = await import('node:net');
  const { spawn } = await import('node:child_process');
  const child = spawn('python3', [
    '-uc',
    'import socket,time\ns=socket.socket();s.bind(("127.0.0.1",0));s.listen(0);print(s.getsockname()[1]);time.sleep(60)',
  ]);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  const fillers = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
  await new Promise((resolve) => setTimeout(resolve, 50));
  return {
    port,
    close() {
      for (const filler of fillers) filler.destroy();
      child.kill('SIGKILL');
    },
  };
};

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

describe('findSealBreach', () => {
  test('a canary that answers is a breach', async () => {
    const [canary, gateway] = [await listenOn('127.0.0.1'), await listenOn('127.0.0.1')];
    const breach = await findSealBreach({ kind: 'canary', host: '127.0.0.1', port: canary }, { host: '127.0.0.1', port: gateway }, times);
    expect(breach).toMatch(/network policy/);
  });

  test('a canary that never answers, beside a gateway that does, proves the seal within a moment', async () => {
    const silent = await silentPort();
    try {
      const gateway = await listenOn('127.0.0.1');
      const startedAt = Date.now();
      const found = await findSealBreach({ kind: 'canary', host: '127.0.0.1', port: silent.port }, { host: '127.0.0.1', port: gateway });
      expect(found).toBeUndefined();
      expect(Date.now() - startedAt).toBeLessThan(5_000);
    } finally {
      silent.close();
    }
  });

  test('a canary that answers one look of several is a breach: silence must be whole', async () => {
    const silent = await silentPort();
    try {
      const [open, gateway] = [await listenOn('127.0.0.1'), await listenOn('127.0.0.1')];
      const seal = { kind: 'canary' as const, host: '127.0.0.1', port: silent.port };
      const found = findSealBreach(seal, { host: '127.0.0.1', port: gateway }, { ...times, leastMs: 1_000, settleMs: 0 });
      // after the first look, before the second
      setTimeout(() => (seal.port = open), 50);
      expect(await found).toMatch(/network policy/);
    } finally {
      silent.close();
    }
  });

  test('a gateway that misses one look makes silence worth less: it has to last longer', async () => {
    const silent = await silentPort();
    try {
      const gateway = { host: '127.0.0.1', port: await listenOn('127.0.0.1') };
      const seal = { kind: 'canary' as const, host: '127.0.0.1', port: silent.port };
      const found = findSealBreach(seal, gateway, { ...times, leastMs: 500, unknownMs: 2_000 });
      const startedAt = performance.now();
      setTimeout(() => (gateway.port = silent.port), 50);
      expect(await found).toBeUndefined();
      expect(performance.now() - startedAt).toBeGreaterThan(1_900);
    } finally {
      silent.close();
    }
  });

  test('a policy that comes a moment after the pod is waited for', async () => {
    const silent = await silentPort();
    try {
      const [open, gateway] = [await listenOn('127.0.0.1'), await listenOn('127.0.0.1')];
      const seal = { kind: 'canary' as const, host: '127.0.0.1', port: open };
      const found = findSealBreach(seal, { host: '127.0.0.1', port: gateway }, { ...times, settleMs: 20_000 });
      await new Promise((resolve) => setTimeout(resolve, 300));
      seal.port = silent.port;
      expect(await found).toBeUndefined();
    } finally {
      silent.close();
    }
  });

  test('a canary that refuses proves nothing', async () => {
    const gateway = await listenOn('127.0.0.1');
    const closed = await listenOn('127.0.0.1');
    servers.pop()?.close();
    const breach = await findSealBreach({ kind: 'canary', host: '127.0.0.1', port: closed }, { host: '127.0.0.1', port: gateway }, times);
    expect(breach).toMatch(/could not be proved/);
  });

  test('a name is no address: one that cannot be looked up would pass for a sealed one', async () => {
    const breach = await findSealBreach({ kind: 'canary', host: 'canary.invalid', port: 1 }, { host: '127.0.0.1', port: 1 }, times);
    expect(breach).toMatch(/by name/);
  });

  test('without a network the wrapper proves the seal', async () => {
    expect(await findSealBreach({ kind: 'noNetwork' }, { socketPath: '/nowhere' })).toBeUndefined();
  });
});
