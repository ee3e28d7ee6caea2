/** The unmodified client libraries: a package of its own, installed into the cache folder. */

import { createHash } from 'node:crypto';
import { copyFile, readFile } from 'node:fs/promises';
import path from 'node:path';
import { ensureCached, isCached, type CacheEntry } from './cache.ts';
import { MissingPart, messageOf, type FoundPart, type Report } from './parts.ts';
import { runProgram } from './run.ts';

/** Sets of client libraries. Each has a folder and a lockfile of its own, because they need packages of different versions. */
const sets = {
  /** speaks node style */
  current: { name: 'clients', sources: path.join(import.meta.dirname, 'clients') },
  /** speaks to a classic Provider */
  classic: { name: 'clients-classic', sources: path.join(import.meta.dirname, 'clients', 'classic') },
  /** signs the older messages of the node style */
  older: { name: 'clients-older', sources: path.join(import.meta.dirname, 'clients', 'older') },
} as const;

/** Name of a set of client libraries. */
export type ClientSet = keyof typeof sets;

const files = ['package.json', 'package-lock.json'] as const;
const installPatienceMs = 600_000;

const clientsEntry = async (set: ClientSet): Promise<CacheEntry> => {
  const { name, sources } = sets[set];
  const digest = createHash('sha256');
  for (const file of files) digest.update(await readFile(path.join(sources, file)));
  return { name, version: digest.digest('hex').slice(0, 16) };
};

/** True if `ensureClients` has nothing to fetch. */
export const areClientsCached = async (set: ClientSet = 'current'): Promise<boolean> => isCached(await clientsEntry(set));

/**
 * A folder whose `node_modules` holds `@oceanprotocol/lib` exactly as published. It stays apart from the product's
 * own dependencies: run the library in a child process whose modules lie in this folder, or import it from there with
 * `createRequire` or an absolute path.
 * @throws MissingPart if the packages cannot be fetched
 */
export const ensureClients = async (report: Report = () => undefined, set: ClientSet = 'current'): Promise<FoundPart> => {
  const entry = await clientsEntry(set);
  const before = isCached(entry);
  const folder = await ensureCached(entry, (unfinished) => installClients(unfinished, sets[set].sources, report), report);
  return { name: 'client libraries', version: await libraryVersion(folder), path: folder, origin: before ? 'cache' : 'download' };
};

const installClients = async (folder: string, sources: string, report: Report): Promise<void> => {
  report('fetching the client libraries');
  for (const file of files) await copyFile(path.join(sources, file), path.join(folder, file));
  try {
    // legacy-peer-deps: the library's peer web3 is only for types
    const args = ['ci', '--ignore-scripts', '--legacy-peer-deps', '--no-audit', '--no-fund'];
    await runProgram('npm', args, { cwd: folder, timeoutMs: installPatienceMs });
  } catch (err) {
    throw new MissingPart('client libraries', messageOf(err), 'check that npm can reach its registry, then run npm run doctor again');
  }
};

const libraryVersion = async (folder: string): Promise<string> => {
  const manifest = await readFile(path.join(folder, 'node_modules/@oceanprotocol/lib/package.json'), 'utf8');
  return String((JSON.parse(manifest) as { version: unknown }).version);
};
