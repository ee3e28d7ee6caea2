/** The one file that a job's outputs travel in: a tar of the output folder, as ocean-node makes it. */

import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { pack, type Header, type Pack } from 'tar-stream';
import { JobFailure, isJobFailure } from '../../workflows/contract/failures.ts';

/** A file of the archive, and how its bytes can be had, again and again. */
export interface ArchivedFile {
  /** as results are named: `%XX` for what a name cannot have */
  readonly filename: string;
  readonly sizeBytes: number;
  /** lower-case hex */
  readonly sha256: string;
  /** @throws JobFailure of the store that has it */
  read(): Promise<Readable>;
}

/** What goes into an archive. The same contents make the same bytes. */
export interface ArchiveContents {
  readonly files: readonly ArchivedFile[];
  /** of every entry */
  readonly modifiedAtMs: number;
}

const unreadable = (message: string): JobFailure => new JobFailure('StorageUnavailable', message, { retryAfterSeconds: 5 });

/** The path that a filename stands for; one with bytes that are no text stays as it is. */
const pathOf = (filename: string): string => {
  try {
    return decodeURIComponent(filename);
  } catch {
    return filename;
  }
};

/** The bytes of one file, which are what was published or nothing: the last of them fails when they are not. */
async function* verified(file: ArchivedFile): AsyncGenerator<Buffer> {
  const { sizeBytes, sha256 } = file;
  const hash = createHash('sha256');
  let size = 0;
  try {
    for await (const chunk of (await file.read()) as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > sizeBytes) break;
      hash.update(chunk);
      yield chunk;
    }
  } catch (err) {
    throw isJobFailure(err) ? err : unreadable('a result could not be read from the result store');
  }
  if (size !== sizeBytes || hash.digest('hex') !== sha256) throw unreadable('a result in the result store is not what was published');
}

const writeFile = async (archive: Pack, file: ArchivedFile, entry: Pick<Header, 'mtime'>, signal: AbortSignal): Promise<void> => {
  const sink = archive.entry({ ...entry, name: `outputs/${pathOf(file.filename)}`, size: file.sizeBytes, mode: 0o644 });
  for await (const chunk of verified(file)) if (!sink.write(chunk)) await once(sink, 'drain', { signal });
  const written = once(sink, 'close', { signal });
  sink.end(null);
  await written;
};

const fill = async (archive: Pack, { files, modifiedAtMs }: ArchiveContents, signal: AbortSignal): Promise<void> => {
  const entry = { mtime: new Date(modifiedAtMs) };
  archive.entry({ ...entry, name: 'outputs/', type: 'directory', mode: 0o755 });
  for (const file of files) await writeFile(archive, file, entry, signal);
  archive.finalize();
};

/**
 * Makes the archive, piece by piece; it is never in memory as a whole.
 * @throws JobFailure when a file is not what was published, or cannot be read
 */
export async function* archiveOf(contents: ArchiveContents): AsyncGenerator<Buffer> {
  const archive = pack();
  const unwanted = new AbortController();
  let failure: Error | undefined;
  const filling = fill(archive, contents, unwanted.signal).catch((err: Error) => {
    failure = err;
    archive.destroy();
  });
  try {
    for await (const chunk of archive as AsyncIterable<Buffer>) yield chunk;
  } catch (err) {
    failure ??= err as Error;
  } finally {
    unwanted.abort();
    archive.destroy();
    await filling;
  }
  if (failure !== undefined) throw failure;
}

/**
 * ocean-node's form of an encrypted archive: AES-256-CBC with PKCS#7 padding.
 * @param key 64 hex digits @param iv 16 bytes
 */
export async function* encrypted(chunks: AsyncIterable<Buffer>, key: string, iv: Uint8Array): AsyncGenerator<Buffer> {
  const cipher = createCipheriv('aes-256-cbc', Buffer.from(key, 'hex'), iv);
  for await (const chunk of chunks) yield cipher.update(chunk);
  yield cipher.final();
}

/** The same bytes in pieces of `partBytes`, but for the last, which is smaller and not empty. */
export async function* partsOf(chunks: AsyncIterable<Buffer>, partBytes: number): AsyncGenerator<Buffer> {
  let pending: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    for (let rest = chunk; rest.length > 0;) {
      const piece = rest.subarray(0, partBytes - size);
      pending.push(piece);
      size += piece.length;
      rest = rest.subarray(piece.length);
      if (size < partBytes) continue;
      yield Buffer.concat(pending, size);
      [pending, size] = [[], 0];
    }
  }
  if (size > 0) yield Buffer.concat(pending, size);
}

const leastPartBytes = 8 * 1024 ** 2;
const mostParts = 9_000;
/** headers of an entry, extended ones and padding included */
const entryBytes = 4_096;

/** A size of parts for which S3 takes the whole archive; the same for the same contents. */
export const partBytesFor = ({ files }: ArchiveContents): number => {
  const total = files.reduce((sum, { sizeBytes }) => sum + sizeBytes + entryBytes, 2 * entryBytes);
  return Math.max(leastPartBytes, Math.ceil(total / mostParts));
};
