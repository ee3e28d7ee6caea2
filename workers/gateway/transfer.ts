/** The part of a data source's bytes that an agent asked for. */

import { Transform, type TransformCallback } from 'node:stream';
import { malformed } from './problems.ts';

/**
 * The first byte that is asked for. Agents resume with `bytes=<start>-` and nothing else.
 * @throws Refusal 400 for any other range
 */
export const parseStart = (header: string | undefined): number => {
  if (header === undefined) return 0;
  const [, digits] = /^bytes=(\d{1,15})-$/.exec(header) ?? [];
  if (digits === undefined) throw malformed('only ranges of the form bytes=<start>- are served');
  return Number(digits);
};

/** What a window lets through, in bytes. */
export interface WindowOptions {
  /** left out at the beginning: the source ignored the range */
  readonly skip: number;
  /** exactly this many must follow; null: unknown */
  readonly expected: number | null;
  /** the transfer is cut after this many */
  readonly limit: number;
  readonly onBytes: (count: number) => void;
}

/** A stream that leaves out, counts and cuts. It fails when the source sends another amount than it announced. */
export const createWindow = ({ skip, expected, limit, onBytes }: WindowOptions): Transform => {
  let toSkip = skip;
  let passed = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, callback: TransformCallback) {
      const bytes = chunk.subarray(toSkip);
      toSkip -= chunk.length - bytes.length;
      const room = limit - passed;
      const piece = bytes.length > room ? bytes.subarray(0, room) : bytes;
      passed += piece.length;
      onBytes(piece.length);
      if (expected !== null && passed > expected) return callback(new Error('the data source sent more bytes than it announced'));
      if (piece.length < bytes.length) return callback(new Error('the transfer reached its limit'));
      return callback(null, piece);
    },
    flush(callback) {
      const short = toSkip > 0 || (expected !== null && passed < expected);
      callback(short ? new Error('the data source sent fewer bytes than it announced') : null);
    },
  });
};
