/** What can be told about files without handing them out. */

import type { FileChecksums } from './fileChecksums.ts';
import type { FileObject } from './fileObject.ts';
import type { FileSource, OpenedFile } from './fileSource.ts';
import { SourceFailure } from './sourceFailure.ts';

/** One file, in the order of its service. */
export interface FileFacts {
  readonly index: number;
  readonly type: FileObject['type'];
  /** last part of a URL's path; empty where the source has no name */
  readonly name: string;
  /** the source answers with the file */
  readonly valid: boolean;
  /** bytes; null when the source does not say */
  readonly contentLength: number | null;
  readonly contentType: string | null;
  /** sha256, lower-case hex; null when it was not asked for, or the file is too large for it */
  readonly checksum: string | null;
}

export interface FactsOptions {
  readonly checksum: boolean;
  readonly userdata: unknown;
  /** names the files for remembered checksums: equal keys, equal files */
  readonly key: string;
}

export interface FileFactsDeps {
  readonly source: FileSource;
  readonly checksums: FileChecksums;
  /** for all files of one question */
  readonly timeoutMs: number;
}

const atOnce = 8;

/** The name that a file is downloaded under, if its source gives one; never a query, which may be a secret. */
export const nameOfFile = (file: FileObject): string => {
  if (file.type === 'c2dResult') return file.name.split(/%2F/i).at(-1) ?? '';
  if (file.type !== 'url') return '';
  const last = URL.parse(file.url)?.pathname.split('/').at(-1) ?? '';
  try {
    return decodeURIComponent(last).slice(0, 255);
  } catch {
    return last.slice(0, 255);
  }
};

const look = async (source: FileSource, file: FileObject, userdata: unknown, signal: AbortSignal): Promise<OpenedFile | null> => {
  try {
    const opened = await source.open(file, { start: 0, userdata, signal });
    opened.stream.on('error', () => undefined).destroy();
    return opened;
  } catch (err) {
    if (err instanceof SourceFailure) return null;
    throw err;
  }
};

/** Looks at files, a few at once; a file that cannot be read is told as not valid, and never why. */
export const createFileFacts =
  ({ source, checksums, timeoutMs }: FileFactsDeps) =>
  async (files: readonly FileObject[], { checksum, userdata, key }: FactsOptions): Promise<readonly FileFacts[]> => {
    const signal = AbortSignal.timeout(timeoutMs);
    const readOne = async (file: FileObject, index: number): Promise<FileFacts> => {
      const opened = await look(source, file, userdata, signal);
      const digest = opened !== null && checksum ? await checksums.digestsOf(`${key}/${index}`, [file], userdata).catch(() => []) : [];
      return {
        ...{ index, type: file.type, name: nameOfFile(file), valid: opened !== null },
        contentLength: opened?.sizeBytes ?? null,
        contentType: opened?.contentType ?? null,
        checksum: digest[0] ?? null,
      };
    };
    const facts: FileFacts[] = [];
    for (let first = 0; first < files.length; first += atOnce) {
      facts.push(...(await Promise.all(files.slice(first, first + atOnce).map((file, offset) => readOne(file, first + offset)))));
    }
    return facts;
  };
