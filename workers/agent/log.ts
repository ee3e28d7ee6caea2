/** The algorithm's log: one file, capped, with its new pieces readable by offset. */

import { once } from 'node:events';
import { open, type FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';

/** The log file while it grows. */
export interface AlgorithmLog {
  readonly path: string;
  /** bytes in the file */
  size(): number;
  /** up to `maxBytes` from `offset` on; empty at the end */
  read(offset: number, maxBytes: number): Promise<Buffer>;
  /** one more short line by the platform, also after the cut */
  note(text: string): Promise<void>;
  /** writes everything from the pipe until it ends; past the cap it reads on and drops, so that the algorithm never blocks */
  pump(pipe: Readable): Promise<void>;
}

/** What {@link openLog} needs. */
export interface LogOptions {
  readonly path: string;
  readonly maxBytes: number;
  /** the file holds its mark already */
  readonly isCut: boolean;
  readonly onCut: () => void;
  readonly onGrowth: () => void;
}

/** Kept free at the end of the file for the mark and for a note, so that the whole file stays within the limit. */
const reservedBytes = 256;

/** Opens the log, at its end if an earlier life of the agent began it. */
export const openLog = async ({ path, maxBytes, isCut, onCut, onGrowth }: LogOptions): Promise<AlgorithmLog> => {
  const file: FileHandle = await open(path, 'a+', 0o644);
  let { size } = await file.stat();
  let cut = isCut;
  const append = async (bytes: Buffer): Promise<void> => {
    await file.appendFile(bytes);
    size += bytes.length;
    onGrowth();
  };
  const note = (text: string): Promise<void> => append(Buffer.from(`\n[${text}]\n`));
  const take = async (chunk: Buffer): Promise<void> => {
    if (cut) return;
    const room = Math.max(0, maxBytes - reservedBytes - size);
    if (room > 0) await append(chunk.subarray(0, room));
    if (chunk.length <= room) return;
    cut = true;
    await note(`the log was cut here, after ${size} bytes`);
    onCut();
  };
  return {
    path,
    size: () => size,
    note,
    async read(offset, maxPiece) {
      const piece = Buffer.alloc(Math.max(0, Math.min(maxPiece, size - offset)));
      const { bytesRead } = await file.read(piece, 0, piece.length, offset);
      return piece.subarray(0, bytesRead);
    },
    async pump(pipe) {
      const ended = once(pipe, 'close');
      for await (const chunk of pipe as AsyncIterable<Buffer>) await take(chunk);
      await ended;
    },
  };
};
