/** The build context of the service's image: its sources, and the packages that are installed here already. */

import { createHash } from 'node:crypto';
import { cp, copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { isNeededAtRunTime } from './neededFiles.ts';

const project = path.resolve(import.meta.dirname, '../../..');
const containerfile = path.join(import.meta.dirname, 'Containerfile');

/** What .dockerignore lets through too, without the packages; a test compares the two. */
export const serviceSources = [
  'package.json',
  'package-lock.json',
  'api',
  'activities',
  'workflows',
  'workers/orchestrator',
  'workers/gateway',
  'infra/crypto',
  'infra/environments',
  'infra/helm/awaitEnvironments.ts',
  'infra/images/service',
  'infra/ledger',
  'infra/manifest',
  'infra/ocean',
  'infra/outbound',
  'infra/pods',
  'infra/process',
  'infra/storage',
  'infra/targets',
  'infra/temporal',
  'infra/toolchain/bundleWorkflows.ts',
] as const;

/** Name of the image made from these sources, packages and Node: its tag changes with any of them. */
export const serviceTag = async (): Promise<string> => {
  const hash = createHash('sha256').update(`${process.version} ${process.arch}\n`);
  for (const source of serviceSources) {
    for (const file of await listFiles(source)) hash.update(`${file}\n`).update(await readFile(path.join(project, file)));
  }
  return `localhost/durable-c2d/service:${hash.digest('hex').slice(0, 16)}`;
};

/** Writes the context into `folder`, which is empty. */
export const writeServiceContext = async (folder: string): Promise<void> => {
  for (const source of serviceSources) await copyWhole(source, folder);
  await Promise.all((await listPackages()).map((name) => copyPackage(name, folder)));
  await copyFile(containerfile, path.join(folder, 'Containerfile'));
};

const copyWhole = async (name: string, folder: string): Promise<void> => {
  await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
  await cp(path.join(project, name), path.join(folder, name), { recursive: true });
};

/** A package without the packages inside it: the lock file names those themselves, or leaves them out. */
const copyPackage = async (name: string, folder: string): Promise<void> => {
  const source = path.join(project, name);
  await mkdir(path.join(folder, name), { recursive: true });
  await cp(source, path.join(folder, name), {
    recursive: true,
    filter: (file) => {
      const inside = path.relative(source, file);
      return !inside.split(path.sep).includes('node_modules') && isNeededAtRunTime(path.join(name, inside));
    },
  });
};

/** Folders of the packages that a production installation has, and that are here: optional ones of other machines are not. */
const listPackages = async (): Promise<readonly string[]> => {
  const lock = JSON.parse(await readFile(path.join(project, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly devOptional?: boolean; readonly optional?: boolean }>>;
  };
  const names = Object.entries(lock.packages).filter(([name, { dev, devOptional }]) => name !== '' && dev !== true && devOptional !== true);
  const installed = await Promise.all(
    names.map(async ([name, { optional }]) => {
      const isHere = await readFile(path.join(project, name, 'package.json')).then(
        () => true,
        () => false,
      );
      if (!isHere && optional !== true) throw new Error(`${name} is not installed: run npm ci`);
      return isHere && isNeededAtRunTime(name) ? [name] : [];
    }),
  );
  return installed.flat();
};

const listFiles = async (source: string): Promise<readonly string[]> => {
  const entries = await readdir(path.join(project, source), { recursive: true, withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return [source];
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(project, path.join(entry.parentPath, entry.name)))
    .toSorted();
};
