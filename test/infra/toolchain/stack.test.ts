import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describeStack } from '../../../infra/toolchain/describeStack.ts';
import { serviceNames } from '../../../infra/toolchain/serviceEnvironment.ts';
import { startStack, type Stack } from '../../../infra/toolchain/stack.ts';
import { createTemporaryFolder } from './temporaryFolder.ts';

const patienceMs = 180_000;

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}/exe`);

/** Command lines of all processes of this machine. */
const listProcesses = (): readonly string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return '';
      }
    });

const readEnvironments = async (stack: Stack): Promise<unknown> => {
  const response = await fetch(`${stack.apiUrl}/api/services/computeEnvironments`);
  expect(response.status).toBe(200);
  return response.json();
};

describe('startStack', () => {
  let stacks: readonly Stack[] = [];

  beforeAll(async () => {
    stacks = await Promise.all([startStack({ environments: [{ id: 'one' }] }), startStack({ environments: [{ id: 'other' }] })]);
  }, patienceMs);

  afterAll(async () => {
    await Promise.all(stacks.map((stack) => stack.close()));
  }, patienceMs);

  test('two at once do not meet', async () => {
    const [one, other] = stacks as [Stack, Stack];
    expect(await readEnvironments(one)).toMatchObject([{ id: 'one' }]);
    expect(await readEnvironments(other)).toMatchObject([{ id: 'other' }]);
    expect(one.instance).not.toBe(other.instance);
    expect(one.folder).not.toBe(other.folder);
  });

  test('its description names what a client needs, and only we can read it', async () => {
    const [stack] = stacks as [Stack];
    const file = await describeStack(stack);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const description = JSON.parse(readFileSync(file, 'utf8')) as { api: { node: string }; addressFile: string };
    expect(description.api.node).toBe(stack.apiUrl);
    expect(JSON.parse(readFileSync(description.addressFile, 'utf8'))).toHaveProperty('development.ERC721Factory');
  });

  test('secrets of the installation are ours alone', () => {
    const [stack] = stacks as [Stack];
    expect(statSync(path.join(stack.folder, 'keys.json')).mode & 0o777).toBe(0o600);
    expect(statSync(stack.storageFolder).mode & 0o077).toBe(0);
  });

  test(
    'a killed process comes back in its place',
    async () => {
      const [stack] = stacks as [Stack];
      for (const name of serviceNames) {
        const service = stack.processes[name];
        const before = service.pid;
        service.kill('SIGKILL');
        await service.waitForEnd();
        expect(isAlive(before)).toBe(false);
        await service.restart();
        expect(service.pid).not.toBe(before);
      }
      expect(await readEnvironments(stack)).toMatchObject([{ id: 'one' }]);
    },
    patienceMs,
  );

  test(
    'close leaves no process and no file, may be repeated, and spares the other stack',
    async () => {
      const [one, other] = stacks as [Stack, Stack];
      const pids = [...serviceNames.map((name) => one.processes[name].pid), one.temporal.pid, ...(one.postgres ? [one.postgres.pid] : [])];
      await Promise.all([one.close(), one.close()]);
      expect(pids.filter(isAlive)).toEqual([]);
      expect(existsSync(one.folder)).toBe(false);
      expect(await readEnvironments(other)).toMatchObject([{ id: 'other' }]);
    },
    patienceMs,
  );
});

describe('a stack that does not come up', () => {
  test(
    'says why with the names of the keys, and leaves no process behind',
    async () => {
      const folder = createTemporaryFolder();
      const attempt = startStack({ folder, env: { C2D_CHAINS: 'not JSON' } });
      await expect(attempt).rejects.toThrow(/ended with exit code 78: .*C2D_CHAINS: is not JSON/);
      expect(existsSync(path.join(folder, 'keys.json'))).toBe(true);
      expect(listProcesses().filter((commandLine) => commandLine.includes(folder))).toEqual([]);
    },
    patienceMs,
  );
});
