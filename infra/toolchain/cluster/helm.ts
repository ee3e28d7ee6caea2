/** Helm: checks the chart, and installs it on test clusters. */

import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { cachePath, ensureCached, isCached } from '../cache.ts';
import { MissingPart, messageOf, type FoundPart, type Report } from '../parts.ts';
import { findOnPath, runProgram } from '../run.ts';

const helmVersion = '3.22.0';
const oldestMinor = 14;
/** What `helm template` and `helm lint` take for the cluster's version; a build without it believes in 1.20. */
const kubernetesMinor = '34';

const entry = { name: 'helm', version: helmVersion };
const connectPatienceMs = 5_000;
const downloadPatienceMs = 120_000;
const buildPatienceMs = 1_200_000;

/**
 * The Helm that is here already: `HELM_PATH` (taken as it is), the PATH if it is Helm 3.14 or newer, else the cache folder.
 * @throws MissingPart if `HELM_PATH` names something that does not run
 */
export const findHelm = async (): Promise<FoundPart | undefined> => {
  const named = process.env.HELM_PATH;
  if (named !== undefined && named !== '') {
    const version = await readVersion(named).catch((err: unknown) => {
      throw new MissingPart('helm', `HELM_PATH does not run: ${messageOf(err)}`, 'name a Helm 3, or unset HELM_PATH');
    });
    return { name: 'helm', version, path: named, origin: 'environment' };
  }
  const onPath = findOnPath('helm');
  const version = onPath === undefined ? '' : await readVersion(onPath).catch(() => '');
  if (onPath !== undefined && isRecentEnough(version)) return { name: 'helm', version, path: onPath, origin: 'path' };
  return isCached(entry) ? readCached('cache') : undefined;
};

/**
 * Helm, fetched if need be: official download, else built from the Go module, into the cache folder.
 * @throws MissingPart if there is no way to get it
 */
export const ensureHelm = async (report: Report = () => undefined): Promise<FoundPart> => {
  const found = await findHelm();
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
  const file = path.join(cachePath(entry), 'helm');
  return { name: 'helm', version: await readVersion(file), path: file, origin };
};

const fetchInto = async (folder: string, report: Report): Promise<'download' | 'build'> => {
  const file = path.join(folder, 'helm');
  try {
    report(`helm: downloading ${helmVersion}`);
    await download(folder);
    await readVersion(file);
    return 'download';
  } catch (err) {
    report(`helm: no download (${messageOf(err)}), building it with Go (one to two minutes the first time)`);
    await rm(file, { force: true });
  }
  await build(folder, report);
  return 'build';
};

const download = async (folder: string): Promise<void> => {
  const system = `${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`;
  const tooLate = new AbortController();
  const timer = setTimeout(() => tooLate.abort(new Error('no connection')), connectPatienceMs);
  const url = `https://get.helm.sh/helm-v${helmVersion}-${system}.tar.gz`;
  const response = await fetch(url, { signal: tooLate.signal }).finally(() => clearTimeout(timer));
  if (!response.ok || response.body === null) throw new Error(`the server answers ${response.status}`);
  const archive = path.join(folder, 'helm.tar.gz');
  const body = Readable.fromWeb(response.body as ReadableStream<Uint8Array>);
  await pipeline(body, createWriteStream(archive), { signal: AbortSignal.timeout(downloadPatienceMs) });
  await runProgram('tar', ['-xzf', archive, '-C', folder, '--strip-components=1', `${system}/helm`]);
  await rm(archive);
};

const build = async (folder: string, report: Report): Promise<void> => {
  const go = findOnPath('go') ?? findOnPath('go', '/usr/local/go/bin');
  const remedy = `install Go 1.24 or newer, or download Helm ${helmVersion} and set HELM_PATH to it`;
  if (go === undefined) throw new MissingPart('helm', 'it can be neither downloaded nor built', remedy);
  const minor = ['pkg/chartutil', 'pkg/lint/rules'].map((name) => `-X helm.sh/helm/v3/${name}.k8sVersionMinor=${kubernetesMinor}`);
  const target = `helm.sh/helm/v3/cmd/helm@v${helmVersion}`;
  try {
    await runProgram(go, ['install', '-ldflags', minor.join(' '), target], {
      env: { GOBIN: folder },
      timeoutMs: buildPatienceMs,
      report: (line) => report(`helm: ${line}`),
    });
  } catch (err) {
    throw new MissingPart('helm', messageOf(err), remedy);
  }
};

const readVersion = async (file: string): Promise<string> => {
  const text = await runProgram(file, ['version', '--short'], { timeoutMs: 60_000 });
  const version = /v(\d+\.\d+(\.\d+)?)/.exec(text)?.[1];
  if (version === undefined) throw new Error('it does not tell its version');
  return version;
};

const isRecentEnough = (version: string): boolean => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major === 3 && minor >= oldestMinor;
};
