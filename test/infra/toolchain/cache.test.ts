import { existsSync, readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { cacheFolder, cachePath, ensureCached, isCached, withLock } from '../../../infra/toolchain/cache.ts';
import { createTemporaryFolder } from './temporaryFolder.ts';

const entry = { name: 'thing', version: '1.2.3' };
const silent = (): void => undefined;

let before: string | undefined;

beforeEach(() => {
  before = process.env.C2D_CACHE_DIR;
  process.env.C2D_CACHE_DIR = createTemporaryFolder();
});

afterEach(() => {
  if (before === undefined) delete process.env.C2D_CACHE_DIR;
  else process.env.C2D_CACHE_DIR = before;
});

describe('cacheFolder', () => {
  test.each([
    ['its own variable wins', { C2D_CACHE_DIR: '/a', XDG_CACHE_HOME: '/b' }, '/a'],
    ["the user's cache folder is next", { XDG_CACHE_HOME: '/b' }, '/b/durable-c2d'],
    ['an empty variable counts as absent', { C2D_CACHE_DIR: '', XDG_CACHE_HOME: '/b' }, '/b/durable-c2d'],
  ])('%s', (_rule, env, expected) => {
    expect(cacheFolder(env)).toBe(expected);
  });
});

describe('ensureCached', () => {
  test('fills an entry once when several ask at the same time', async () => {
    let fills = 0;
    const fill = async (folder: string): Promise<void> => {
      fills += 1;
      await delay(50);
      await writeFile(path.join(folder, 'file'), 'whole');
    };
    const folders = await Promise.all([1, 2, 3].map(() => ensureCached(entry, fill, silent)));
    expect(fills).toBe(1);
    expect(new Set(folders)).toEqual(new Set([cachePath(entry)]));
    expect(existsSync(path.join(cachePath(entry), 'file'))).toBe(true);
  });

  test('leaves nothing of a fill that failed, and the next one succeeds', async () => {
    const failing = async (folder: string): Promise<void> => {
      await writeFile(path.join(folder, 'half'), 'half');
      throw new Error('the network went away');
    };
    await expect(ensureCached(entry, failing, silent)).rejects.toThrow('the network went away');
    expect(isCached(entry)).toBe(false);
    expect(readdirSync(path.dirname(cachePath(entry)))).toEqual([]);
    await expect(ensureCached(entry, async (folder) => mkdir(path.join(folder, 'x')).then(silent), silent)).resolves.toBe(cachePath(entry));
  });
});

describe('withLock', () => {
  test('lets one process in at a time', async () => {
    const module = path.resolve('infra/toolchain/cache.ts');
    const script = `
      import { withLock } from ${JSON.stringify(module)};
      await withLock('one', async () => {
        console.log('in');
        await new Promise((resolve) => setTimeout(resolve, 60));
        console.log('out');
      });`;
    const log = path.join(createTemporaryFolder(), 'log');
    const run = () =>
      execa(process.execPath, ['--input-type=module', '-e', script], { stdout: { file: log, append: true }, env: { NODE_OPTIONS: '' } });
    await Promise.all([run(), run(), run()]);
    const { stdout } = await execa('cat', [log]);
    expect(stdout.split('\n')).toEqual(['in', 'out', 'in', 'out', 'in', 'out']);
  });

  test('says once that it waits, and is released by a failure', async () => {
    const waits: string[] = [];
    const failing = withLock('two', async () => {
      await delay(150);
      throw new Error('failed inside');
    });
    await delay(50);
    const second = withLock(
      'two',
      async () => 'entered',
      (line) => waits.push(line),
    );
    await expect(failing).rejects.toThrow('failed inside');
    await expect(second).resolves.toBe('entered');
    expect(waits).toEqual(['waiting for another run that prepares two']);
  });
});
