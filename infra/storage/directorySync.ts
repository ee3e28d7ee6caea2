/** Makes names durable. A file's fsync does not cover its name: that belongs to the folder. */

import { open } from 'node:fs/promises';

/** Shares one fsync among all who wait for the same folder, because thousands of small files end at once. */
export interface DirectorySync {
  /** After the call, names that were made in `folder` before it survive a power cut. */
  newEntry(folder: string): Promise<void>;
  /** After the call the folder's own name, and those of its parents, survive too. Done once per folder. */
  newFolder(folder: string, parents: readonly string[]): Promise<void>;
}

const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

const rememberedFolders = 10_000;

export const createDirectorySync = (): DirectorySync => {
  const running = new Map<string, Promise<void>>();
  const queued = new Map<string, Promise<void>>();
  const durable = new Set<string>();

  const start = (folder: string): Promise<void> => {
    const work = syncFolder(folder).finally(() => running.delete(folder));
    running.set(folder, work);
    return work;
  };
  // a sync that runs already may have begun before the caller's name was made: such a caller waits for the next one
  const newEntry = (folder: string): Promise<void> => {
    const current = running.get(folder);
    if (current === undefined) return start(folder);
    const next =
      queued.get(folder) ??
      current
        .catch(() => undefined)
        .then(() => {
          queued.delete(folder);
          return start(folder);
        });
    queued.set(folder, next);
    return next;
  };
  return {
    newEntry,
    async newFolder(folder, parents) {
      if (durable.has(folder)) return;
      for (const parent of parents) await newEntry(parent);
      if (durable.size >= rememberedFolders) durable.clear();
      durable.add(folder);
    },
  };
};
