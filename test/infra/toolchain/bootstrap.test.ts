import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { execa } from 'execa';
import { createTemporaryFolder } from './temporaryFolder.ts';

/** A project of its own, with a main.ts of the test's and an `npm` that records each installation. */
const createProject = (main: string) => {
  const folder = createTemporaryFolder();
  const toolchain = path.join(folder, 'infra/toolchain');
  mkdirSync(toolchain, { recursive: true });
  mkdirSync(path.join(folder, 'bin'));
  cpSync('infra/toolchain/bootstrap.mjs', path.join(toolchain, 'bootstrap.mjs'));
  writeFileSync(path.join(toolchain, 'main.ts'), main);
  writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
  const lock = path.join(folder, 'package-lock.json');
  writeFileSync(lock, '{"packages":{}}');
  const npm = path.join(folder, 'bin/npm');
  writeFileSync(npm, '#!/bin/sh\necho "$@" >> npm.log\nsleep 0.2\n[ ! -e broken ] && mkdir -p node_modules\n');
  chmodSync(npm, 0o755);
  const env = { PATH: `${path.dirname(npm)}:${process.env.PATH ?? ''}`, NODE_OPTIONS: '' };
  return {
    folder,
    lock,
    start: (...args: string[]) =>
      execa(process.execPath, [path.join(toolchain, 'bootstrap.mjs'), ...args], { env, reject: false, stdin: 'ignore' }),
    installations: () => readFileSync(path.join(folder, 'npm.log'), 'utf8').trim().split('\n').length,
  };
};

const echo = `console.log(process.argv.slice(2).join(' '));`;

describe('bootstrap', () => {
  test('installs once for two runs at once, and never again while the lockfile stays', async () => {
    const project = createProject(echo);
    const runs = await Promise.all([project.start('demo', '--keep'), project.start('demo', '--keep')]);
    expect(runs.map(({ stdout, exitCode }) => [stdout, exitCode])).toEqual([
      ['demo --keep', 0],
      ['demo --keep', 0],
    ]);
    await project.start('test');
    expect(project.installations()).toBe(1);
  });

  test('installs again when the lockfile has changed', async () => {
    const project = createProject(echo);
    await project.start('test');
    writeFileSync(project.lock, '{"packages":{"":{}}}');
    await project.start('test');
    expect(project.installations()).toBe(2);
  });

  test('takes the lock of a run that died', async () => {
    const project = createProject(echo);
    const lock = path.join(project.folder, '.cache/install-lock');
    mkdirSync(lock, { recursive: true });
    utimesSync(lock, new Date(0), new Date(0));
    expect((await project.start('test')).exitCode).toBe(0);
    expect(existsSync(lock)).toBe(false);
  });

  test('says what to do when the installation fails, and tries again at the next run', async () => {
    const project = createProject(echo);
    writeFileSync(path.join(project.folder, 'broken'), '');
    const { exitCode, stderr } = await project.start('test');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/npm ci failed with 1\. Remedy: .+/);
    expect(existsSync(path.join(project.folder, '.cache/install-lock'))).toBe(false);
    await project.start('test');
    expect(project.installations()).toBe(2);
  });

  test('keeps the exit code of the command', async () => {
    expect((await createProject('process.exit(7);').start('check')).exitCode).toBe(7);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)('passes %s on, and waits for the end', async (signal) => {
    const project = createProject(`
      process.on('${signal}', () => setTimeout(() => { console.log('tidied'); process.exit(3); }, 50));
      console.log('up');
      setTimeout(() => {}, 60_000);`);
    const run = project.start('dev');
    const lines: string[] = [];
    for await (const line of run) {
      lines.push(line);
      if (line === 'up') run.kill(signal);
    }
    expect(lines).toEqual(['up', 'tidied']);
    expect((await run).exitCode).toBe(3);
  });
});
