/** The Temporal CLI: its development server runs the demo, `npm run dev` and the tests. */

import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { cachePath, ensureCached, isCached } from './cache.ts';
import { MissingPart, messageOf, type FoundPart, type Report } from './parts.ts';
import { findOnPath, runProgram } from './run.ts';

/** Version that is fetched: server 1.29.1, UI 2.42.1. */
const temporalCliVersion = '1.5.1';
/** Oldest server that will do. */
const serverMajor = 1;
const serverMinor = 29;

const entry = { name: 'temporal', version: temporalCliVersion };
const connectPatienceMs = 5_000;
const downloadPatienceMs = 300_000;
const buildPatienceMs = 1_800_000;

/**
 * The CLI that is here already: `TEMPORAL_CLI_PATH` (taken as it is, whatever its version), the PATH if its server
 * is 1.29 or newer, else the cache folder.
 * @throws MissingPart if `TEMPORAL_CLI_PATH` names something that does not run
 */
export const findTemporalCli = async (): Promise<FoundPart | undefined> => {
  const named = process.env.TEMPORAL_CLI_PATH;
  if (named !== undefined && named !== '') {
    const version = await readVersion(named).catch((err: unknown) => {
      throw new MissingPart(
        'temporal',
        `TEMPORAL_CLI_PATH does not run: ${messageOf(err)}`,
        'name a Temporal CLI, or unset TEMPORAL_CLI_PATH',
      );
    });
    return { name: 'temporal', version, path: named, origin: 'environment' };
  }
  const onPath = findOnPath('temporal');
  const version = onPath === undefined ? '' : await readVersion(onPath).catch(() => '');
  if (onPath !== undefined && isRecentEnough(version)) return { name: 'temporal', version, path: onPath, origin: 'path' };
  return isCached(entry) ? readCached('cache') : undefined;
};

/**
 * The CLI, fetched if need be: official download, else built from the Go module, into the cache folder.
 * @throws MissingPart if there is no way to get it
 */
export const ensureTemporalCli = async (report: Report = () => undefined): Promise<FoundPart> => {
  const found = await findTemporalCli();
  if (found !== undefined) return found;
  let origin: FoundPart['origin'] = 'cache';
  await ensureCached(
    entry,
    async (folder) => {
      origin = await fetchInto(folder, report);
    },
    report,
  );
  return readCached(origin);
};

const readCached = async (origin: FoundPart['origin']): Promise<FoundPart> => {
  const file = path.join(cachePath(entry), 'temporal');
  return { name: 'temporal', version: await readVersion(file), path: file, origin };
};

const fetchInto = async (folder: string, report: Report): Promise<'download' | 'build'> => {
  const file = path.join(folder, 'temporal');
  try {
    report(`temporal: downloading ${temporalCliVersion}`);
    await download(folder);
    await readVersion(file);
    return 'download';
  } catch (err) {
    report(`temporal: no download (${messageOf(err)}), building it with Go (a few minutes the first time)`);
    await rm(file, { force: true });
  }
  await build(folder, report);
  return 'build';
};

const download = async (folder: string): Promise<void> => {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const release = `v${temporalCliVersion}/temporal_cli_${temporalCliVersion}_${process.platform}_${architecture}.tar.gz`;
  const url = `https://github.com/temporalio/cli/releases/download/${release}`;
  const tooLate = new AbortController();
  const timer = setTimeout(() => tooLate.abort(new Error('no connection')), connectPatienceMs);
  const response = await fetch(url, { signal: tooLate.signal }).finally(() => clearTimeout(timer));
  if (!response.ok || response.body === null) throw new Error(`the server answers ${response.status}`);
  const archive = path.join(folder, 'temporal.tar.gz');
  const body = Readable.fromWeb(response.body as ReadableStream<Uint8Array>);
  await pipeline(body, createWriteStream(archive), { signal: AbortSignal.timeout(downloadPatienceMs) });
  await runProgram('tar', ['-xzf', archive, '-C', folder, 'temporal']);
  await rm(archive);
};

const build = async (folder: string, report: Report): Promise<void> => {
  const go = findOnPath('go') ?? findOnPath('go', '/usr/local/go/bin');
  const remedy = `install Go 1.24 or newer, or download the Temporal CLI ${temporalCliVersion} and set TEMPORAL_CLI_PATH to it`;
  if (go === undefined) throw new MissingPart('temporal', 'it can be neither downloaded nor built', remedy);
  const env = { GOBIN: folder, GOFLAGS: '-mod=mod' };
  const target = `github.com/temporalio/cli/cmd/temporal@v${temporalCliVersion}`;
  try {
    await runProgram(go, ['install', target], { env, timeoutMs: buildPatienceMs, report: (line) => report(`temporal: ${line}`) });
  } catch (err) {
    throw new MissingPart('temporal', messageOf(err), remedy);
  }
};

/** The server's version: `temporal version 0.0.0-DEV (Server 1.29.1, …)` is what a build by `go install` says of itself. */
const readVersion = async (file: string): Promise<string> => {
  const text = await runProgram(file, ['--version'], { timeoutMs: 60_000 });
  const version = /Server v?(\d+\.\d+\.\d+)/.exec(text)?.[1];
  if (version === undefined) throw new Error('it does not tell its version');
  return version;
};

const isRecentEnough = (version: string): boolean => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > serverMajor || (major === serverMajor && minor >= serverMinor);
};
