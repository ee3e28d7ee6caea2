/** How much a folder holds. */

import { lstat, opendir } from 'node:fs/promises';
import path from 'node:path';

/** Bytes of all files below a folder; what vanishes meanwhile counts nothing. */
export const diskUsage = async (place: string): Promise<number> => {
  const found = await lstat(place).catch(() => undefined);
  if (found?.isDirectory() !== true) return found?.size ?? 0;
  let bytes = 0;
  const folder = await opendir(place).catch(() => undefined);
  if (folder === undefined) return bytes;
  try {
    for await (const { name } of folder) bytes += await diskUsage(path.join(place, name));
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ENOENT') throw err;
  }
  return bytes;
};
