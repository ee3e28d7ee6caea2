/** From the files that an agent has published to the list that consumers read (contract for algorithm authors §5). Pure. */

import type { ResultEntry } from '../../infra/ledger/ledger.ts';
import type { OutputFile } from './protocol.ts';

/** Name of the algorithm's log in every result list. */
export const logFilename = 'algorithm.log';

/** What the name of an encrypted file ends with. */
const encryptedSuffix = '.age';

const escapeByte = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;

/**
 * The filename that stands for a path below `/data/outputs`: `%` → `%25`, `/` → `%2F`, `\` and control characters →
 * `%XX` of their UTF-8 bytes, and a lone surrogate U+DC80 to U+DCFF, which stands for a byte that is not UTF-8 → `%XX`
 * of that byte. Reversible, so two files never share a name.
 */
export const filenameOf = (path: string): string =>
  path
    .replaceAll(/[%/\\\p{Cc}\u2028\u2029]/gu, (character) => [...Buffer.from(character, 'utf8')].map(escapeByte).join(''))
    .replaceAll(/[\uDC80-\uDCFF]/gu, (surrogate) => escapeByte(surrogate.charCodeAt(0) - 0xdc00))
    .toWellFormed();

const byBytes = (left: string, right: string): number => Buffer.compare(Buffer.from(left, 'utf8'), Buffer.from(right, 'utf8'));

/** The complete list: outputs by the bytes of their filename, then the log; `index` counts from 0 and never changes. */
export const resultEntriesOf = (files: readonly (OutputFile & { readonly n: number })[]): readonly ResultEntry[] => {
  const entries = files.map(({ n, name, type, sizeBytes, sha256, plaintext }) => ({
    filename: `${type === 'algorithmLog' ? logFilename : filenameOf(name)}${plaintext === undefined ? '' : encryptedSuffix}`,
    filesize: sizeBytes,
    type,
    n,
    sha256,
    ...(plaintext && { plaintext }),
  }));
  const outputs = entries.filter(({ type }) => type === 'output').toSorted((left, right) => byBytes(left.filename, right.filename));
  return [...outputs, ...entries.filter(({ type }) => type === 'algorithmLog')].map((entry, index) => ({ index, ...entry }));
};
