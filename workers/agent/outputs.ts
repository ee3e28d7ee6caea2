/** What lies in the outputs folder: regular files only, in byte order, nothing followed. */

import { constants } from 'node:fs';
import { lstat, open, opendir, type FileHandle } from 'node:fs/promises';

/** A regular file below the outputs folder. */
export interface FoundOutput {
  /** path below the folder, as its bytes */
  readonly path: Buffer;
  /** the same as text: UTF-8 where it is, else each byte from 0x80 on as the lone surrogate U+DC00 + byte */
  readonly name: string;
  readonly sizeBytes: number;
}

/** Result of one walk. */
export interface OutputScan {
  /** in byte order of their paths */
  readonly files: readonly FoundOutput[];
  readonly bytes: number;
  /** the walk ended early: there are more entries, or bytes, than were allowed */
  readonly exceeded: 'bytes' | 'files' | undefined;
  /** entries that were left out: links, devices, FIFOs, sockets, unreadable folders, overlong names */
  readonly skipped: number;
}

/** Limits of a walk; what lies beyond is not looked at. */
export interface ScanLimits {
  readonly maxBytes: number;
  readonly maxFiles: number;
}

const maxNameLength = 4_096;
const slash = Buffer.from('/');

interface Walk {
  readonly root: Buffer;
  readonly limits: ScanLimits;
  readonly files: FoundOutput[];
  readonly folders: Buffer[];
  bytes: number;
  entries: number;
  skipped: number;
  exceeded: 'bytes' | 'files' | undefined;
}

/**
 * Walks `folder`. Memory and time are bounded by the limits, whatever an algorithm puts there.
 * Never throws for what it finds; a folder that is not there is empty.
 */
export const scanOutputs = async (folder: string, limits: ScanLimits): Promise<OutputScan> => {
  const root = Buffer.from(folder);
  const walk: Walk = { root, limits, files: [], folders: [Buffer.alloc(0)], bytes: 0, entries: 0, skipped: 0, exceeded: undefined };
  for (let next = walk.folders.pop(); next !== undefined && walk.exceeded === undefined; next = walk.folders.pop()) {
    await walkFolder(walk, next);
  }
  walk.files.sort((one, other) => Buffer.compare(one.path, other.path));
  const { files, bytes, exceeded, skipped } = walk;
  return { files, bytes, exceeded, skipped };
};

const walkFolder = async (walk: Walk, below: Buffer): Promise<void> => {
  try {
    // the types want a text here; Node gives Buffers for names when asked to, and names need not be UTF-8
    const encoding = 'buffer' as unknown as BufferEncoding;
    for await (const entry of await opendir(placeOf(walk.root, below), { encoding })) {
      const name = entry.name as unknown as Buffer;
      await walkEntry(walk, below.length === 0 ? name : Buffer.concat([below, slash, name]));
      if (walk.exceeded !== undefined) return;
    }
  } catch {
    walk.skipped += 1;
  }
};

const walkEntry = async (walk: Walk, path: Buffer): Promise<void> => {
  const { limits } = walk;
  walk.entries += 1;
  // folders and links count as well: a bomb may be made of them
  if (walk.entries > limits.maxFiles * 4 || walk.files.length > limits.maxFiles) {
    walk.exceeded = 'files';
    return;
  }
  const stats = await lstat(placeOf(walk.root, path)).catch(() => undefined);
  const name = nameOf(path);
  // what lies deeper than any path can name could never be counted, and is a burden to whoever removes the volume
  if (stats?.isDirectory() === true && path.length > maxNameLength / 2) walk.exceeded = 'files';
  else if (stats?.isDirectory() === true) walk.folders.push(path);
  else if (stats?.isFile() !== true || name.length > maxNameLength) walk.skipped += 1;
  else {
    walk.files.push({ path, name, sizeBytes: stats.size });
    walk.bytes += stats.size;
    if (walk.files.length > limits.maxFiles) walk.exceeded = 'files';
    if (walk.bytes > limits.maxBytes) walk.exceeded = 'bytes';
  }
};

const placeOf = (root: Buffer, path: Buffer): Buffer => (path.length === 0 ? root : Buffer.concat([root, slash, path]));

const nameOf = (path: Buffer): string => {
  const text = path.toString('utf8');
  if (Buffer.from(text).equals(path)) return text;
  return Array.from(path, (byte) => String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte)).join('');
};

/**
 * Opens a regular file for reading, and only that: a link, a device or a FIFO in its place is refused without blocking.
 * @returns undefined when it is no longer a regular file, or may not be read
 */
export const openRegularFile = async (path: Buffer | string): Promise<FileHandle | undefined> => {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(path, flags).catch(() => undefined);
  if (handle === undefined) return undefined;
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  return undefined;
};
