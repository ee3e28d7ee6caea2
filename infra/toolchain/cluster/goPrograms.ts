/** Programs of the test cluster that are downloaded, or built with Go where the download cannot be reached. */

import { createWriteStream } from 'node:fs';
import { chmod, rm } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { cachePath, ensureCached, isCached, type CacheEntry } from '../cache.ts';
import { MissingPart, messageOf, type FoundPart, type Report } from '../parts.ts';
import { findOnPath, runProgram } from '../run.ts';

const connectPatienceMs = 5_000;
const downloadPatienceMs = 600_000;
const buildPatienceMs = 2_400_000;

/** How an entry of the cache is filled. */
export interface GoRecipe {
  readonly entry: CacheEntry;
  /** what `doctor` and `MissingPart` call it */
  readonly part: string;
  /** downloads into the folder; fails within seconds where there is no connection */
  readonly download: (folder: string) => Promise<void>;
  /** builds into the folder with this Go */
  readonly build: (go: string, folder: string, options: GoBuildOptions) => Promise<void>;
  readonly remedy: string;
}

/** What every build is run with. */
export interface GoBuildOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly report: Report;
}

/**
 * The folder of the entry, filled if need be: download, else build.
 * @throws MissingPart if neither works
 */
export const ensureGoPrograms = async (recipe: GoRecipe, report: Report): Promise<Pick<FoundPart, 'path' | 'origin'>> => {
  if (isCached(recipe.entry)) return { path: cachePath(recipe.entry), origin: 'cache' };
  let origin: FoundPart['origin'] = 'cache';
  const folder = await ensureCached(
    recipe.entry,
    async (unfinished) => {
      origin = await fill(recipe, unfinished, (line) => report(`${recipe.part}: ${line}`));
    },
    report,
  );
  return { path: folder, origin };
};

const fill = async ({ entry, part, download, build, remedy }: GoRecipe, folder: string, report: Report): Promise<'download' | 'build'> => {
  try {
    report(`downloading ${entry.version}`);
    await download(folder);
    return 'download';
  } catch (err) {
    report(`no download (${messageOf(err)}), building it with Go (some minutes the first time)`);
  }
  const go = findGo();
  if (go === undefined) throw new MissingPart(part, 'it can be neither downloaded nor built', remedy);
  try {
    await build(go, folder, { env: { CGO_ENABLED: '0', GOBIN: folder, GOTOOLCHAIN: 'local' }, timeoutMs: buildPatienceMs, report });
    return 'build';
  } catch (err) {
    throw new MissingPart(part, messageOf(err), remedy);
  }
};

/** Go, if it is here. */
export const findGo = (): string | undefined => findOnPath('go') ?? findOnPath('go', '/usr/local/go/bin');

/** The names by which release pages call this machine. */
export const releaseArchitecture = (): string => (process.arch === 'x64' ? 'amd64' : process.arch);

/** Downloads one program. */
export const downloadProgram = async (url: string, file: string): Promise<void> => {
  await downloadFile(url, file);
  await chmod(file, 0o755);
};

/** Downloads an archive and takes one program out of it, given by its path there. */
export const downloadFromArchive = async (url: string, folder: string, member: string): Promise<void> => {
  const archive = path.join(folder, 'download.tar.gz');
  await downloadFile(url, archive);
  const depth = member.split('/').length - 1;
  await runProgram('tar', ['-xzf', archive, '-C', folder, `--strip-components=${depth}`, member]);
  await rm(archive);
};

const downloadFile = async (url: string, file: string): Promise<void> => {
  const tooLate = new AbortController();
  const timer = setTimeout(() => tooLate.abort(new Error('no connection')), connectPatienceMs);
  const response = await fetch(url, { signal: tooLate.signal }).finally(() => clearTimeout(timer));
  if (!response.ok || response.body === null) throw new Error(`the server answers ${response.status}`);
  const body = Readable.fromWeb(response.body as ReadableStream<Uint8Array>);
  await pipeline(body, createWriteStream(file), { signal: AbortSignal.timeout(downloadPatienceMs) });
};

/** A recipe for one program, named like the entry of the cache. */
export interface GoProgramRecipe extends GoRecipe {
  /** with which it tells its version */
  readonly versionArguments: readonly string[];
}

/** The program that is here already: on the PATH, else in the cache folder. */
export const findGoProgram = async (recipe: GoProgramRecipe): Promise<FoundPart | undefined> => {
  const onPath = findOnPath(recipe.entry.name);
  if (onPath !== undefined) return describeProgram(recipe, { path: path.dirname(onPath), origin: 'path' });
  return isCached(recipe.entry) ? describeProgram(recipe, { path: cachePath(recipe.entry), origin: 'cache' }) : undefined;
};

/**
 * The program, fetched if need be.
 * @throws MissingPart if there is no way to get it
 */
export const ensureGoProgram = async (recipe: GoProgramRecipe, report: Report): Promise<FoundPart> =>
  (await findGoProgram(recipe)) ?? describeProgram(recipe, await ensureGoPrograms(recipe, report));

const describeProgram = async (recipe: GoProgramRecipe, had: Pick<FoundPart, 'path' | 'origin'>): Promise<FoundPart> => {
  const { name } = recipe.entry;
  const file = path.join(had.path, name);
  const text = await runProgram(file, recipe.versionArguments, { timeoutMs: 60_000 }).catch((err: unknown) => {
    throw new MissingPart(recipe.part, `${file} does not run: ${messageOf(err)}`, recipe.remedy);
  });
  return { name, version: /\d+(\.\d+)+/.exec(text)?.[0] ?? recipe.entry.version, path: file, origin: had.origin };
};
