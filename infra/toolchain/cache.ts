/** The cache folder: parts that took time to get, outside the clone so that a fresh clone finds them. */

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { lock } from 'proper-lockfile';
import type { Report } from './parts.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * `C2D_CACHE_DIR`, else `durable-c2d` in the user's cache folder (`XDG_CACHE_HOME`, else `~/.cache`).
 * Everything in it can be removed at any time while nothing runs.
 */
export const cacheFolder = (env: Environment = process.env): string => {
  if (env.C2D_CACHE_DIR !== undefined && env.C2D_CACHE_DIR !== '') return path.resolve(env.C2D_CACHE_DIR);
  const base = env.XDG_CACHE_HOME !== undefined && env.XDG_CACHE_HOME !== '' ? env.XDG_CACHE_HOME : path.join(homedir(), '.cache');
  return path.join(base, 'durable-c2d');
};

const staleMs = 20_000;
const signOfLifeMs = 4_000;

/**
 * Runs `work` while holding the named lock of the cache folder: at most one process of this machine at a time.
 * Waits as long as the holder lives; a holder that died is noticed within 20 seconds.
 * @param onWait is told once if somebody else holds the lock
 */
export const withLock = async <Result>(name: string, work: () => Promise<Result>, onWait: Report = () => undefined): Promise<Result> => {
  const folder = path.join(cacheFolder(), 'locks');
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, name);
  const options = { stale: staleMs, update: signOfLifeMs, realpath: false };
  const release = await lock(file, { ...options, retries: 0 }).catch((err: unknown) => {
    if (!isLocked(err)) throw err;
    onWait(`waiting for another run that prepares ${name}`);
    return lock(file, { ...options, retries: { forever: true, minTimeout: 100, maxTimeout: 1_000, factor: 1.5 } });
  });
  try {
    return await work();
  } finally {
    await release();
  }
};

const isLocked = (err: unknown): boolean => err instanceof Error && (err as NodeJS.ErrnoException).code === 'ELOCKED';

/** One thing in the cache. */
export interface CacheEntry {
  readonly name: string;
  /** part of the path: another version is another entry */
  readonly version: string;
}

/** Where an entry is, or will be. */
export const cachePath = ({ name, version }: CacheEntry): string => path.join(cacheFolder(), name, version);

/** True if the entry is there, whole. */
export const isCached = (entry: CacheEntry): boolean => existsSync(cachePath(entry));

/**
 * The entry's folder, filled by `fill` if it is not there yet. `fill` works in a folder of another name that is
 * renamed when it is done, so that an entry is either whole or absent, also after a power cut. Two runs at once: one
 * fills, the other waits.
 */
export const ensureCached = async (entry: CacheEntry, fill: (folder: string) => Promise<void>, report: Report): Promise<string> => {
  const target = cachePath(entry);
  if (isCached(entry)) return target;
  return withLock(
    `${entry.name}-${entry.version}`,
    async () => {
      if (isCached(entry)) return target;
      await mkdir(path.dirname(target), { recursive: true });
      const unfinished = await mkdtemp(path.join(path.dirname(target), `.${entry.version}-`));
      try {
        await fill(unfinished);
        await rename(unfinished, target);
      } finally {
        await rm(unfinished, { recursive: true, force: true });
      }
      return target;
    },
    report,
  );
};
