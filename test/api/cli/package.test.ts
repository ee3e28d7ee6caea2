/** The package of `c2d`, unpacked as npm unpacks it: below `node_modules`, where Node strips no types. */

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { runProgram } from '../../../infra/toolchain/run.ts';
import { openSurface, type Surface } from '../v1/support/surface.ts';

const root = path.join(import.meta.dirname, '../../..');
const patienceMs = 60_000;
let surface: Surface;
let folder: string;
let manifest: { readonly version: string; readonly bin: { readonly c2d: string }; readonly dependencies: Readonly<Record<string, string>> };

/** In a process of its own, as by hand: Node strips types only where nothing else has loaded the sources. */
const pack = async (): Promise<string> => {
  const script = `const { packCli } = await import('${path.join(root, 'infra/toolchain/packCli.ts')}'); console.log(await packCli('${folder}'));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', '--input-type=module', '--eval', script], { cwd: root });
  return stdout.trim();
};

beforeAll(async () => {
  surface = await openSurface();
  folder = await mkdtemp(path.join(tmpdir(), 'durable-c2d-package-'));
  const archive = await pack();
  const modules = path.join(folder, 'node_modules');
  const installed = path.join(modules, 'durable-c2d');
  await mkdir(path.join(modules, '.bin'), { recursive: true });
  await mkdir(installed);
  await runProgram('tar', ['-xzf', archive, '--strip-components=1', '-C', installed]);
  manifest = JSON.parse(await readFile(path.join(installed, 'package.json'), 'utf8')) as typeof manifest;
  await symlink(path.join(installed, manifest.bin.c2d), path.join(modules, '.bin/c2d'));
  // what it names, at the versions that it names, and nothing else
  for (const [name, version] of Object.entries(manifest.dependencies)) {
    const there = path.join(root, 'node_modules', name);
    expect((JSON.parse(await readFile(path.join(there, 'package.json'), 'utf8')) as { version: string }).version).toBe(version);
    await symlink(there, path.join(modules, name));
  }
}, patienceMs);
afterAll(async () => {
  await surface.close();
  await rm(folder, { recursive: true, force: true });
});

const c2d = async (...args: string[]): Promise<string> => {
  const env = { PATH: `${path.dirname(process.execPath)}:${process.env.PATH}` };
  const { stdout, stderr } = await promisify(execFile)(path.join(folder, 'node_modules/.bin/c2d'), args, { cwd: folder, env });
  expect(stderr).toBe('');
  return stdout;
};

describe('c2d as a package', () => {
  test('has JavaScript alone, and no dependency of the service', async () => {
    const files = await readdir(path.join(folder, 'node_modules/durable-c2d'), { recursive: true });
    expect(files.filter((file) => file.endsWith('.ts'))).toEqual([]);
    expect(Object.keys(manifest.dependencies)).toEqual(['age-encryption', 'commander', 'eciesjs', 'ethers', 'zod']);
  });

  test('runs below node_modules by its name: help, version, and a command against a running service', async () => {
    expect(await c2d('--help')).toContain('Exit codes:');
    expect(await c2d('--version')).toBe(`${manifest.version}\n`);
    const environments = JSON.parse(await c2d('--url', surface.url, '--json', 'environments')) as { id: string }[];
    expect(environments.map(({ id }) => id)).toContain('small');
  });
});
