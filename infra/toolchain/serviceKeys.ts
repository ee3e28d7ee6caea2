/** Secrets of one installation: made once, kept beside its data. */

import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { generateServiceKeys, type ServiceKeys } from './serviceEnvironment.ts';

/** The folder's keys; made, and readable by us alone, if there are none. Data of the folder opens with no others. */
export const readServiceKeys = async (folder: string): Promise<ServiceKeys> => {
  const file = path.join(folder, 'keys.json');
  try {
    await writeFile(file, JSON.stringify(generateServiceKeys()), { mode: 0o600, flag: 'wx' });
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'EEXIST') throw err;
  }
  return JSON.parse(await readFile(file, 'utf8')) as ServiceKeys;
};
