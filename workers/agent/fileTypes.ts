/** Kinds of files: by their names and by how they begin. */

import type { OutputRule } from '../gateway/protocol.ts';

/** The name of a kind. */
export type FileType = NonNullable<OutputRule['fileTypes']>[number];

interface Kind {
  /** lower-case, without the dot */
  readonly extensions: readonly string[];
  readonly begins: (head: Buffer) => boolean;
}

/** How much of a file is looked at. */
export const headBytes = 8_192;

const starts =
  (...magics: readonly (string | readonly number[])[]) =>
  (head: Buffer): boolean =>
    magics.some((magic) =>
      head.subarray(0, magic.length).equals(typeof magic === 'string' ? Buffer.from(magic, 'latin1') : Buffer.from(magic)),
    );

/** At most so many bytes of a character can be cut off by the end of the head. */
const longestCut = 3;

/** UTF-8 without control characters other than blanks; a character that the head cuts is none's fault. */
const isText = (head: Buffer): boolean => {
  for (let cut = 0; cut <= (head.length < headBytes ? 0 : longestCut); cut += 1) {
    try {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(head.subarray(0, head.length - cut));
      return !/[^\P{Cc}\t\n\v\f\r]/u.test(text);
    } catch {
      continue;
    }
  }
  return false;
};

const isWebp = (head: Buffer): boolean => starts('RIFF')(head) && head.subarray(8, 12).toString('latin1') === 'WEBP';

const kinds: Readonly<Record<FileType, Kind>> = {
  text: { extensions: ['txt', 'log', 'md'], begins: isText },
  csv: { extensions: ['csv', 'tsv'], begins: isText },
  json: { extensions: ['json', 'jsonl', 'ndjson', 'geojson'], begins: (head) => isText(head) && !/^\s*</.test(head.toString('latin1')) },
  xml: { extensions: ['xml', 'svg'], begins: (head) => isText(head) && /^(\u00ef\u00bb\u00bf)?\s*</.test(head.toString('latin1')) },
  png: { extensions: ['png'], begins: starts('\x89PNG\r\n\x1a\n') },
  jpeg: { extensions: ['jpg', 'jpeg'], begins: starts([0xff, 0xd8, 0xff]) },
  gif: { extensions: ['gif'], begins: starts('GIF87a', 'GIF89a') },
  webp: { extensions: ['webp'], begins: isWebp },
  tiff: { extensions: ['tif', 'tiff'], begins: starts('II*\0', 'MM\0*') },
  pdf: { extensions: ['pdf'], begins: starts('%PDF-') },
  zip: { extensions: ['zip', 'npz'], begins: starts('PK\x03\x04', 'PK\x05\x06') },
  gzip: { extensions: ['gz', 'tgz'], begins: starts([0x1f, 0x8b]) },
  parquet: { extensions: ['parquet'], begins: starts('PAR1') },
  arrow: { extensions: ['arrow', 'feather'], begins: starts('ARROW1') },
  npy: { extensions: ['npy'], begins: starts('\x93NUMPY') },
  hdf5: { extensions: ['h5', 'hdf5'], begins: starts('\x89HDF\r\n\x1a\n') },
};

/**
 * True for a file whose name has an ending of one of these kinds, in any case, and whose beginning is that kind's.
 * @param head its first {@link headBytes} bytes, or all of it
 */
export const isOfType = (name: string, head: Buffer, types: readonly FileType[]): boolean => {
  const extension = /\.([^./]+)$/.exec(name)?.[1]?.toLowerCase();
  return extension !== undefined && types.some((type) => kinds[type].extensions.includes(extension) && kinds[type].begins(head));
};
