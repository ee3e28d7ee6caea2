/** Results in a folder of this machine, or of a file system that all processes share. */

import { createHash, randomBytes, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { isJobId } from '../../workflows/contract/ids.ts';
import { createDirectorySync, type DirectorySync } from './directorySync.ts';
import { localFailure, storageUnavailable } from './localFailure.ts';
import type { ResultStore, StoredFile, StoredFileRef } from './resultStore.ts';
import { rememberVerifiedParts, type VerifiedParts } from './verifiedParts.ts';

const { O_CREAT, O_NOFOLLOW, O_RDONLY, O_RDWR, O_WRONLY, O_EXCL } = constants;
const privateFile = 0o600;
const privateFolder = 0o700;
const readBytes = 256 * 1024;
/** written at once: each write costs a trip to another thread */
const writeBatchBytes = 512 * 1024;

/**
 * A store in `folder`, which is made if it is absent. `<jobId>/<podAttempt>/<n>` is a complete, verified, durable
 * file; `<n>.partial` is one that is still being uploaded and never read by anybody.
 */
export const localStore = ({ folder }: { readonly folder: string }): ResultStore => {
  const sync = createDirectorySync();
  const verified = rememberVerifiedParts();
  return {
    putPart: (file, part, bytes) => translateErrors(() => writePart({ folder, file, part, bytes, verified })),
    complete: (file, expected) => translateErrors(() => completeFile({ folder, file, expected, sync, verified })),
    read: (file, range) => translateErrors(() => readStored(filePath(folder, file), range)),
    remove: (job) =>
      translateErrors(async () => {
        const path = job.podAttempt === undefined ? jobFolder(folder, job.jobId) : attemptFolder(folder, job.jobId, job.podAttempt);
        await rm(path, { recursive: true, force: true });
      }),
    check: () => translateErrors(() => probe(folder)),
  };
};

const translateErrors = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (err) {
    throw localFailure(err);
  }
};

const jobFolder = (folder: string, jobId: string): string => {
  if (!isJobId(jobId)) throw new JobFailure('StorageRefused', 'results are stored under job ids only');
  return join(folder, jobId);
};

const attemptFolder = (folder: string, jobId: string, podAttempt: number): string => join(jobFolder(folder, jobId), asNumber(podAttempt));

const filePath = (folder: string, { jobId, podAttempt, n }: StoredFileRef): string =>
  join(attemptFolder(folder, jobId, podAttempt), asNumber(n));

const asNumber = (value: number): string => {
  if (!Number.isSafeInteger(value) || value < 0) throw new JobFailure('StorageRefused', 'results are stored under numbers only');
  return String(value);
};

interface PartWork {
  readonly folder: string;
  readonly file: StoredFileRef;
  readonly part: Parameters<ResultStore['putPart']>[1];
  readonly bytes: Readable;
  readonly verified: VerifiedParts;
}

/** Writes at the part's offset: the same part again writes the same bytes to the same place. */
const writePart = async ({ folder, file, part, bytes, verified }: PartWork): Promise<void> => {
  // the upload may be cut while the file is being opened, when nobody iterates over it yet
  bytes.once('error', () => undefined);
  const handle = await openPartial(folder, file);
  const path = partialPath(folder, file);
  verified.begin(path, part.k);
  const hash = createHash('sha256');
  let end: number;
  try {
    end = await writeBytes(handle, bytes, { hash, offset: part.offset });
  } catch (err) {
    if (isCut(bytes, err)) throw storageUnavailable('the upload of a part was cut', 1);
    throw err;
  } finally {
    await handle.close();
  }
  if (hash.digest('hex') !== part.sha256) throw storageUnavailable('a part did not arrive as it was sent', 1);
  verified.note(path, { k: part.k, sizeBytes: end - part.offset, sha256: part.sha256 });
};

const isCut = (bytes: Readable, err: unknown): boolean =>
  bytes.errored === null ? (err as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE' : bytes.errored === err;

/** What arrives is gathered and hashed while what came before is being written. @returns the position after the last byte */
const writeBytes = async (
  handle: FileHandle,
  bytes: Readable,
  { hash, offset }: { readonly hash: Hash; readonly offset: number },
): Promise<number> => {
  let position = offset;
  let chunks: Buffer[] = [];
  let gathered = 0;
  let writing = Promise.resolve();
  const write = async (): Promise<void> => {
    await writing;
    writing = writeAll(handle, chunks, position);
    // whoever writes next, or ends, is told
    writing.catch(() => undefined);
    position += gathered;
    [chunks, gathered] = [[], 0];
  };
  try {
    for await (const chunk of bytes as AsyncIterable<Buffer>) {
      hash.update(chunk);
      chunks.push(chunk);
      gathered += chunk.length;
      if (gathered >= writeBatchBytes) await write();
    }
    if (gathered > 0) await write();
  } finally {
    // the file is closed next
    await writing;
  }
  return position;
};

const writeAll = async (handle: FileHandle, chunks: readonly Buffer[], position: number): Promise<void> => {
  let rest = [...chunks];
  for (let at = position; rest.length > 0;) {
    const { bytesWritten } = await handle.writev(rest, at);
    at += bytesWritten;
    rest = withoutFirst(rest, bytesWritten);
  }
};

/** The chunks that follow the first `count` bytes. */
const withoutFirst = (chunks: readonly Buffer[], count: number): Buffer[] => {
  let skip = count;
  return chunks.flatMap((chunk) => {
    const taken = Math.min(skip, chunk.length);
    skip -= taken;
    return taken === chunk.length ? [] : [chunk.subarray(taken)];
  });
};

const partialPath = (folder: string, file: StoredFileRef): string => `${filePath(folder, file)}.partial`;

const openPartial = async (folder: string, file: StoredFileRef): Promise<FileHandle> => {
  const path = partialPath(folder, file);
  const flags = O_RDWR | O_CREAT | O_NOFOLLOW;
  try {
    return await open(path, flags, privateFile);
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ENOENT') throw err;
  }
  await mkdir(attemptFolder(folder, file.jobId, file.podAttempt), { recursive: true, mode: privateFolder });
  return open(path, flags, privateFile);
};

interface CompletionWork {
  readonly folder: string;
  readonly file: StoredFileRef;
  readonly expected: StoredFile;
  readonly sync: DirectorySync;
  readonly verified: VerifiedParts;
}

/**
 * A file that consists of parts which this process has verified is taken as it is; of any other the bytes are read again, as
 * they lie on the disk. Then it is made durable and gets its name.
 */
const completeFile = async ({ folder, file, expected, sync, verified }: CompletionWork): Promise<void> => {
  const path = filePath(folder, file);
  const partial = `${path}.partial`;
  // a lost answer: the file may be complete already, and a late repetition may have begun it anew
  if (await isStoredAs(path, expected)) return rm(partial, { force: true });
  if (expected.sizeBytes === 0) await (await openPartial(folder, file)).close();
  const handle = await openIfPresent(partial);
  if (handle === null) throw storageUnavailable('a file was completed before its parts arrived', 1);
  try {
    const isVerified = verified.cover(partial, expected) && (await handle.stat()).size === expected.sizeBytes;
    if (!isVerified && !(await matches(handle, expected))) {
      verified.forget(partial);
      await rm(partial, { force: true });
      throw storageUnavailable('a file did not arrive as it was sent', 1);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(partial, path);
  verified.forget(partial);
  const attempt = attemptFolder(folder, file.jobId, file.podAttempt);
  await sync.newEntry(attempt);
  await sync.newFolder(attempt, [jobFolder(folder, file.jobId), folder]);
};

const openIfPresent = async (path: string): Promise<FileHandle | null> => {
  try {
    return await open(path, O_RDONLY | O_NOFOLLOW);
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw err;
  }
};

const isStoredAs = async (path: string, expected: StoredFile): Promise<boolean> => {
  const handle = await openIfPresent(path);
  if (handle === null) return false;
  try {
    return await matches(handle, expected);
  } finally {
    await handle.close();
  }
};

const matches = async (handle: FileHandle, { sizeBytes, sha256 }: StoredFile): Promise<boolean> => {
  if ((await handle.stat()).size !== sizeBytes) return false;
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(Math.min(readBytes, Math.max(sizeBytes, 1)));
  for (let position = 0; position < sizeBytes;) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return false;
    hash.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
  return hash.digest('hex') === sha256;
};

const readStored = async (path: string, range: { readonly start: number; readonly end: number } | undefined): Promise<Readable> => {
  const handle = await open(path, O_RDONLY | O_NOFOLLOW);
  return handle.createReadStream({ highWaterMark: readBytes, ...(range ?? {}) });
};

/** Proves that a file can be made here. */
const probe = async (folder: string): Promise<void> => {
  await mkdir(folder, { recursive: true, mode: privateFolder });
  if (!(await stat(folder)).isDirectory()) throw new JobFailure('StorageRefused', 'the folder of the result store is not a folder');
  const path = join(folder, `.probe-${randomBytes(8).toString('hex')}`);
  const handle = await open(path, O_WRONLY | O_CREAT | O_EXCL, privateFile);
  try {
    await handle.write('probe');
  } finally {
    await handle.close();
    await rm(path, { force: true });
  }
};
