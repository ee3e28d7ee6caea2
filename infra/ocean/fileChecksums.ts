/** sha256 of files, from their content: trust rules never believe a header. */

import { createHash } from 'node:crypto';
import type { FileObject } from './fileObject.ts';
import type { FileSource } from './fileSource.ts';
import { SourceFailure } from './sourceFailure.ts';

export interface FileChecksums {
  /**
   * Lower-case hex, one for each file, in order. Remembered for a short while.
   * @param key names files and parameters: equal keys, equal files
   * @throws SourceFailure when a file cannot be read or is larger than the limit
   */
  digestsOf(key: string, files: readonly FileObject[], userdata: unknown): Promise<readonly string[]>;
}

export interface ChecksumOptions {
  /** of one file */
  readonly longestBytes: number;
  readonly timeoutMs: number;
  /** how long an answer is remembered */
  readonly rememberMs: number;
}

const mostRemembered = 1_000;

const digest = async (source: FileSource, file: FileObject, userdata: unknown, options: ChecksumOptions): Promise<string> => {
  const signal = AbortSignal.timeout(options.timeoutMs);
  const { stream, sizeBytes } = await source.open(file, { start: 0, userdata, signal });
  const hash = createHash('sha256');
  let read = 0;
  const refuse = (): never => {
    stream.on('error', () => undefined).destroy();
    throw new SourceFailure('permanent', `the file is larger than ${options.longestBytes} bytes and its checksum is not computed`);
  };
  if (sizeBytes !== null && sizeBytes > options.longestBytes) refuse();
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      read += chunk.length;
      if (read > options.longestBytes) refuse();
      hash.update(chunk);
    }
  } catch (err) {
    if (err instanceof SourceFailure) throw err;
    throw new SourceFailure('transient', 'the data source stopped sending', err);
  }
  return hash.digest('hex');
};

/**
 * Checksums with a small memory. What is remembered may be outdated for a moment; the bytes that run are compared
 * with it once more when they are staged.
 */
export const createFileChecksums = (source: FileSource, options: ChecksumOptions): FileChecksums => {
  const remembered = new Map<string, { readonly until: number; readonly digests: Promise<readonly string[]> }>();
  return {
    digestsOf: (key, files, userdata) => {
      const known = remembered.get(key);
      if (known !== undefined && known.until > Date.now()) return known.digests;
      const digests = Promise.all(files.map((file) => digest(source, file, userdata, options)));
      if (remembered.size >= mostRemembered) remembered.delete(remembered.keys().next().value ?? '');
      remembered.set(key, { until: Date.now() + options.rememberMs, digests });
      // a failure is not remembered
      digests.catch(() => remembered.delete(key));
      return digests;
    },
  };
};
