import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { cacheFolder } from '../../../infra/toolchain/cache.ts';
import { createCleanups, settleAll } from '../../../infra/toolchain/cleanups.ts';
import { createInstanceName, isAbandoned } from '../../../infra/toolchain/instanceName.ts';
import { findFreePorts, startProgram, waitUntilReady } from '../../../infra/toolchain/program.ts';
import { createTemporaryFolder } from './temporaryFolder.ts';

const kernelPorts = '/proc/sys/net/ipv4/ip_local_port_range';

const shell = (script: string) => {
  const logFile = path.join(createTemporaryFolder(), 'logs', 'program.log');
  return { name: 'program', file: '/bin/sh', args: ['-c', script], logFile };
};

/** Waits for the process to vanish; a defunct one is gone. */
const untilGone = async (pid: number): Promise<void> => {
  for (let tries = 0; tries < 200 && existsSync(`/proc/${pid}/exe`); tries += 1) await delay(10);
  expect(existsSync(`/proc/${pid}/exe`)).toBe(false);
};

describe('startProgram', () => {
  test('a program that ends while it is waited for fails at once, with the end of its log', async () => {
    const options = shell('echo the port is taken >&2; exit 3');
    const program = await startProgram(options);
    const never = async (): Promise<void> => Promise.reject(new Error('refused'));
    await expect(waitUntilReady(program, never, { patienceMs: 20_000, logFile: options.logFile })).rejects.toThrow(
      'program ended with exit code 3: the port is taken',
    );
  });

  test('a program that does not get ready is told with the last reason', async () => {
    const options = shell('exec sleep 60');
    const program = await startProgram(options);
    const never = async (): Promise<void> => Promise.reject(new Error('connection refused'));
    await expect(waitUntilReady(program, never, { patienceMs: 60, logFile: options.logFile })).rejects.toThrow(
      'program is not ready after 0.06 s: connection refused',
    );
    await program.close();
    await untilGone(program.pid);
  });

  test('close insists when the program ignores the polite signal, and may be repeated', async () => {
    const program = await startProgram({ ...shell("trap '' TERM; while :; do sleep 0.05; done"), stopPatienceMs: 100 });
    await delay(50);
    await Promise.all([program.close(), program.close()]);
    await expect(program.ended).resolves.toBe('signal SIGKILL');
  });

  test('a file that cannot be executed is an error of the call', async () => {
    await expect(startProgram({ ...shell(''), file: '/nowhere/program' })).rejects.toThrow('ENOENT');
  });

  test.each(['SIGKILL', 'SIGTERM'] as const)('a program does not outlive us, also when we end by %s', async (signal) => {
    const module = path.resolve('infra/toolchain/program.ts');
    const script = `
      import { startProgram } from ${JSON.stringify(module)};
      const options = { name: 'sleep', file: 'sleep', args: ['60'], logFile: ${JSON.stringify(shell('').logFile)} };
      const [one, two] = [await startProgram(options), await startProgram(options)];
      await two.close();
      console.log(one.pid);
      setTimeout(() => {}, 60_000);`;
    const parent = execa(process.execPath, ['--input-type=module', '-e', script], { reject: false, env: { NODE_OPTIONS: '' } });
    for await (const line of parent) {
      const pid = Number(line);
      expect(existsSync(`/proc/${pid}`)).toBe(true);
      parent.kill(signal);
      await untilGone(pid);
    }
    expect((await parent).signal).toBe(signal);
  });
});

describe('findFreePorts', () => {
  test('gives as many different ports as asked for', async () => {
    const ports = await findFreePorts(20);
    expect(new Set(ports).size).toBe(20);
    expect(ports.every((port) => port > 1_023)).toBe(true);
  });

  test('gives none twice, and none that outgoing connections get', async () => {
    const rounds = await Promise.all(Array.from({ length: 10 }, () => findFreePorts(10)));
    expect(new Set(rounds.flat()).size).toBe(100);
    const range = existsSync(kernelPorts) ? readFileSync(kernelPorts, 'utf8') : '32768';
    expect(Math.max(...rounds.flat())).toBeLessThan(Number.parseInt(range));
  });

  test('gives none that another process was given, for as long as that lives', async () => {
    const script = `import { findFreePorts } from ${JSON.stringify(path.resolve('infra/toolchain/program.ts'))};
      console.log((await findFreePorts(5)).join(' '));
      process.stdin.resume().once('end', () => process.exit(0));`;
    const other = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [line] = (await once(other.stdout, 'data')) as [Buffer];
    const files = line.toString().trim().split(' ').map((port) => path.join(cacheFolder(), 'ports', port)); // prettier-ignore
    for (const file of files) expect(readFileSync(file, 'utf8')).toBe(String(other.pid));
    const ports = await findFreePorts(200);
    expect(ports.map(String).filter((port) => files.some((file) => path.basename(file) === port))).toEqual([]);
    other.stdin.end();
    await once(other, 'exit');
    expect(files.filter((file) => existsSync(file))).toEqual([]);
  });

  test('says where none can be had', async () => {
    await expect(findFreePorts(1, '203.0.113.1')).rejects.toThrow(/no free port of 203\.0\.113\.1 was found/);
  });
});

describe('isAbandoned', () => {
  test("a living process's stack is not", () => {
    const name = createInstanceName();
    expect(name).toMatch(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/);
    expect(isAbandoned(name)).toBe(false);
  });

  test.each<[string, string, boolean]>([
    ['a process that is gone', 'local-4194304-1-0badcafe', true],
    ['another process under the same number', `local-${process.pid}-1-0badcafe`, true],
    ["an operator's installation", 'durable-c2d', false],
    ['a name that only looks alike', 'local-machine-1', false],
    ['a process whose start is unknown', 'local-4194304-0-0badcafe', false],
  ])('%s', (_case, name, expected) => {
    expect(isAbandoned(name)).toBe(expected);
  });
});

describe('cleanups', () => {
  test('run once, the latest first, each whatever happened to the others', async () => {
    const order: string[] = [];
    const cleanups = createCleanups();
    cleanups.add(async () => order.push('first'));
    cleanups.add(async () => Promise.reject(new Error('stuck')));
    cleanups.own({ close: async () => void order.push('last') });
    await expect(Promise.all([cleanups.run(), cleanups.run()])).rejects.toThrow('1 parts did not end cleanly: Error: stuck');
    expect(order).toEqual(['last', 'first']);
  });

  test('what starts together is waited for, also when one part fails', async () => {
    let started = false;
    const slow = delay(30).then(() => (started = true));
    await expect(settleAll({ slow, failing: Promise.reject(new Error('no port')) })).rejects.toThrow('no port');
    expect(started).toBe(true);
    await expect(settleAll({ a: Promise.resolve(1), b: Promise.resolve('two') })).resolves.toEqual({ a: 1, b: 'two' });
  });
});
