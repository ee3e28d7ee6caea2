/**
 * Run as a program inside the build, in the folder of the sources: leaves there what the service needs when it runs.
 * Packages that came with the context are taken as they are; else npm fetches them as the lock file says.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { isNeededAtRunTime } from './neededFiles.ts';

const buildOnly = ['package-lock.json', 'Containerfile', 'infra/toolchain', 'infra/images'];

const run = (program: string, ...args: readonly string[]): void => {
  execFileSync(program, args, { stdio: 'inherit' });
};

// no package of ours needs its install script: native parts come ready-made
if (!existsSync('node_modules')) run('npm', 'ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund');
run(process.execPath, 'infra/toolchain/bundleWorkflows.ts', 'workflows.js');
for (const entry of readdirSync('node_modules', { recursive: true, withFileTypes: true })) {
  const file = path.join(path.relative('.', entry.parentPath), entry.name);
  if (!isNeededAtRunTime(file)) rmSync(file, { recursive: true, force: true });
}
for (const name of buildOnly) rmSync(name, { recursive: true, force: true });
