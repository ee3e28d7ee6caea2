/** Schemathesis, which fuzzes an API from its OpenAPI description: in a Python environment of its own in the cache folder. */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { cachePath, ensureCached, isCached, type CacheEntry } from './cache.ts';
import { canInstallPackages, installDebianPackages } from './debian.ts';
import { MissingPart, messageOf, type FoundPart, type Report } from './parts.ts';
import { findOnPath, runProgram } from './run.ts';

const requirements = path.join(import.meta.dirname, 'schemathesis/requirements.txt');
const installPatienceMs = 300_000;
const remedy = 'install Python 3.10 or newer with its modules venv and pip (Debian: apt-get install python3 python3-venv)';

const findPython = (): string => {
  const found = findOnPath('python3');
  if (found === undefined) throw new MissingPart('schemathesis', 'there is no python3', remedy);
  return found;
};

/** Another Python or other versions are another entry. */
const entryFor = async (python: string): Promise<CacheEntry> => {
  const digest = createHash('sha256').update(await readFile(requirements));
  digest.update(await runProgram(python, ['-c', 'import sys; print(sys.base_prefix, sys.version)'], { timeoutMs: 60_000 }));
  return { name: 'schemathesis', version: digest.digest('hex').slice(0, 16) };
};

// an environment that was renamed has to be run as a module: its scripts name their first folder
const pythonIn = (folder: string): string => path.join(folder, 'bin', 'python');

const createEnvironment = async (python: string, folder: string, report: Report): Promise<void> => {
  const create = () => runProgram(python, ['-m', 'venv', folder], { timeoutMs: installPatienceMs });
  try {
    await create().catch(async (err: unknown) => {
      if (!canInstallPackages()) throw err;
      await installDebianPackages(['python3-venv'], report);
      await create();
    });
  } catch (err) {
    throw new MissingPart('schemathesis', messageOf(err), remedy);
  }
};

const install = async (python: string, folder: string, report: Report): Promise<void> => {
  report('fetching schemathesis');
  await createEnvironment(python, folder, report);
  const quietly = ['--disable-pip-version-check', '--no-input', '--quiet'];
  try {
    const args = ['-m', 'pip', 'install', ...quietly, '--no-deps', '--only-binary', ':all:', '-r', requirements];
    await runProgram(pythonIn(folder), args, { timeoutMs: installPatienceMs });
  } catch (err) {
    throw new MissingPart('schemathesis', messageOf(err), 'check that pip can reach its package index, then run npm run test:fuzz again');
  }
};

/** The pinned version, as the list of packages has it. */
const pinnedVersion = async (): Promise<string> => /^schemathesis==(.+)$/m.exec(await readFile(requirements, 'utf8'))?.[1] ?? 'unknown';

/**
 * The interpreter that runs Schemathesis as `-m schemathesis.cli`.
 * @throws MissingPart without Python, and if the packages cannot be fetched
 */
export const ensureSchemathesis = async (report: Report = () => undefined): Promise<FoundPart> => {
  const python = findPython();
  const entry = await entryFor(python);
  const before = isCached(entry);
  await ensureCached(entry, (unfinished) => install(python, unfinished, report), report);
  return { name: 'schemathesis', version: await pinnedVersion(), path: pythonIn(cachePath(entry)), origin: before ? 'cache' : 'download' };
};
