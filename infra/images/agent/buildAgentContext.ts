/** The build context of the agent's image: Node with its libraries, a static busybox, the agent as plain JavaScript. */

import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { chmod, copyFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { copyNode } from '../nodeFiles.ts';
import { maxFilters } from '../../../workflows/contract/pod.ts';
import { bundleAgent } from './bundleAgent.ts';

const sources = path.resolve(import.meta.dirname, '../../../workers/agent');
const containerfile = path.join(import.meta.dirname, 'Containerfile');

/** Folders of the data volume; only `outputs` is open to everybody. */
const dataFolders = ['inputs', 'transformations', 'ddos', 'logs', 'outputs'];

/**
 * Writes `Containerfile` and all files of the agent's image below `directory`, which is empty.
 * Types are stripped and modules joined here, once, and not at the start of every pod.
 * @param options `busyboxPath`: a statically linked busybox for the engine's processor
 * @returns the image's name: its tag is a digest of everything in it, so an image of that name is this one
 */
export const agentContext = async (
  directory: string,
  { busyboxPath }: { readonly busyboxPath: string },
): Promise<{ readonly tag: string }> => {
  const rootfs = path.join(directory, 'rootfs');
  const control = path.join(directory, 'control');
  for (const folder of ['agent', 'tmp', 'run/c2d', 'etc']) await mkdir(path.join(rootfs, folder), { recursive: true });
  await writeFile(path.join(rootfs, 'etc/passwd'), 'agent:x:64242:64242::/:/nowhere\n');
  await copyNode(rootfs);
  await writeFile(path.join(rootfs, 'agent/main.cjs'), await bundleAgent(sources));
  await copyPackage('re2js', path.join(rootfs, 'agent/node_modules'));
  await makeDataFolder(path.join(directory, 'data'));
  for (let n = 0; n < maxFilters; n += 1) await mkdir(path.join(directory, 'filters', String(n)), { recursive: true, mode: 0o755 });
  await mkdir(control, { recursive: true });
  await chmod(control, 0o755);
  await copyFile(busyboxPath, path.join(control, 'busybox'));
  // nobody else may read it: of a program that a process cannot read, it cannot read the memory either, and the wrapper is one
  await chmod(path.join(control, 'busybox'), 0o711);
  await copyFile(containerfile, path.join(directory, 'Containerfile'));
  return { tag: `localhost/c2d-agent:${await digestOf(directory)}` };
};

/** A package that the agent imports only when it needs it: its description and its one built file. */
const copyPackage = async (name: string, packages: string): Promise<void> => {
  const built = path.dirname(createRequire(import.meta.url).resolve(name));
  const target = path.join(packages, name);
  await mkdir(path.join(target, path.basename(built)), { recursive: true });
  await copyFile(path.join(built, '../package.json'), path.join(target, 'package.json'));
  await copyFile(path.join(built, 'index.js'), path.join(target, path.basename(built), 'index.js'));
};

const makeDataFolder = async (data: string): Promise<void> => {
  await mkdir(data, { recursive: true });
  await chmod(data, 0o755);
  for (const name of dataFolders) {
    await mkdir(path.join(data, name), { recursive: true });
    await chmod(path.join(data, name), name === 'outputs' ? 0o777 : 0o755);
  }
};

/** Sixteen hex characters that differ when any file, name or mode differs. */
const digestOf = async (directory: string): Promise<string> => {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  const hash = createHash('sha256');
  for (const file of files.sort()) {
    const digest = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
    const { mode } = await stat(file);
    hash.update(`${path.relative(directory, file)} ${mode.toString(8)} ${digest}\n`);
  }
  return hash.digest('hex').slice(0, 16);
};
