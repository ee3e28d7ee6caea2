/** One file from the gateway to disk: resumed from what is there, verified, given up only after real silence. */

import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { PlannedFile } from '../gateway/protocol.ts';
import type { Gateway } from './client.ts';
import { PhaseFailure } from './failures.ts';
import { isGatewayAway, JobOver, Refused, type Answer } from './http.ts';
import { backoffMs, isFinal } from './patience.ts';

/** What {@link downloadFile} needs. */
export interface DownloadRequest {
  readonly gateway: Pick<Gateway, 'openFile'>;
  readonly file: PlannedFile;
  /** where the bytes are collected; may hold the beginning already */
  readonly half: string;
  /** told of every new byte, and with a negative number of bytes that are dropped; throws beyond the job's limit */
  readonly count: (bytes: number) => void;
  /** milliseconds without a new byte after which the transfer is given up */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

interface Half {
  readonly handle: FileHandle;
  /** of the bytes on the disk */
  hash: Hash;
  /** on the disk */
  bytes: number;
}

const newHash = (): Hash => createHash('sha256');

/** What a whole file is. */
export interface HashedBytes {
  readonly sizeBytes: number;
  /** lower-case hex */
  readonly sha256: string;
}

/**
 * After the call `half` holds the whole file. A broken transfer goes on where it broke.
 * @throws PhaseFailure; a digest that does not match is final for the algorithm and worth one more transfer otherwise
 */
export const downloadFile = async (request: DownloadRequest): Promise<HashedBytes> => {
  const handle = await open(request.half, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    const half: Half = { handle, hash: newHash(), bytes: 0 };
    await readPresent(half, request);
    await transferAll(half, request);
    // a block that failed half-way may have left more behind than there is
    await handle.truncate(half.bytes);
    return { sizeBytes: half.bytes, sha256: half.hash.digest('hex') };
  } finally {
    await handle.close();
  }
};

const readPresent = async (half: Half, { count }: DownloadRequest): Promise<void> => {
  const buffer = Buffer.allocUnsafe(256 * 1024);
  for (;;) {
    const { bytesRead } = await half.handle.read(buffer, 0, buffer.length, half.bytes);
    if (bytesRead === 0) return;
    half.hash.update(buffer.subarray(0, bytesRead));
    half.bytes += bytesRead;
    count(bytesRead);
  }
};

const transferAll = async (half: Half, request: DownloadRequest): Promise<void> => {
  const { file, patienceMs, signal } = request;
  let lastByteAt = Date.now();
  let failures = 0;
  for (;;) {
    const before = half.bytes;
    try {
      await transferOnce(half, request);
      return await verify(half, request);
    } catch (err) {
      signal.throwIfAborted();
      if (err instanceof PhaseFailure || err instanceof JobOver) throw err;
      if (err instanceof Refused && isFinal(err)) throw refusal(file, err);
      // a gateway that is away says nothing about the source behind it
      if (half.bytes > before || isGatewayAway(err)) lastByteAt = Date.now();
      failures = half.bytes > before ? 0 : failures + 1;
      if (Date.now() - lastByteAt > patienceMs) throw givenUp(file, err);
      const asked = err instanceof Refused ? err.retryAfterMs : undefined;
      await pause(asked ?? backoffMs(failures), undefined, { signal });
    }
  }
};

const transferOnce = async (half: Half, { gateway, file, count, patienceMs, signal }: DownloadRequest): Promise<void> => {
  if (half.bytes > 0 && half.bytes === file.sizeBytes) return;
  const answer = await openRest(half, () => gateway.openFile(file.n, half.bytes, { idleMs: patienceMs, signal }));
  if (answer === undefined) return;
  if (answer.status !== 206 && half.bytes > 0) await dropAll(half, count);
  const before = half.bytes;
  let received = 0;
  const blocks = createBlocks(half);
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      count(chunk.length);
      received += chunk.length;
      await blocks.add(chunk);
    }
  } finally {
    // what arrived before a connection broke is kept; what the disk refused was not received
    await blocks.end().finally(() => count(half.bytes - before - received));
  }
  if (file.sizeBytes !== undefined && half.bytes < file.sizeBytes) throw new Error('the transfer ended early');
};

const blockBytes = 1024 * 1024;

/** Gathers bytes into blocks: one is written while the next is being filled, and memory stays the same for any size. */
const createBlocks = (half: Half): { add(chunk: Buffer): Promise<void>; end(): Promise<void> } => {
  let filling = Buffer.allocUnsafeSlow(blockBytes);
  let spare = Buffer.allocUnsafeSlow(blockBytes);
  let filled = 0;
  let written = Promise.resolve();
  const flush = async (): Promise<void> => {
    await written;
    written = writeBlock(half, filling.subarray(0, filled));
    // whoever flushes next, or ends, is told
    written.catch(() => undefined);
    [filling, spare, filled] = [spare, filling, 0];
  };
  return {
    async add(chunk) {
      for (let taken = 0; taken < chunk.length;) {
        if (filled === blockBytes) await flush();
        const copied = chunk.copy(filling, filled, taken);
        filled += copied;
        taken += copied;
      }
    },
    async end() {
      await flush();
      await written;
    },
  };
};

/** At its place, not at the file's end: what a failed write left half-done is written over by the next try. */
const writeBlock = async (half: Half, block: Buffer): Promise<void> => {
  for (let done = 0; done < block.length;) {
    const { bytesWritten } = await half.handle.write(block, done, block.length - done, half.bytes + done);
    done += bytesWritten;
  }
  half.hash.update(block);
  half.bytes += block.length;
};

/** @returns undefined when the source says that there is nothing after what we have */
const openRest = async (half: Half, openFile: () => Promise<Answer>): Promise<Answer | undefined> => {
  try {
    return await openFile();
  } catch (err) {
    if (err instanceof Refused && err.status === 416 && half.bytes > 0) return undefined;
    throw err;
  }
};

const dropAll = async (half: Half, count: (bytes: number) => void): Promise<void> => {
  await half.handle.truncate(0);
  count(-half.bytes);
  half.bytes = 0;
  half.hash = newHash();
};

const verify = async (half: Half, { file, count }: DownloadRequest): Promise<void> => {
  const digestIsRight = file.sha256 === undefined || half.hash.copy().digest('hex') === file.sha256;
  if (digestIsRight && (file.sizeBytes === undefined || file.sizeBytes === half.bytes)) return;
  await dropAll(half, count);
  if (!digestIsRight && file.role === 'algorithm') {
    throw new PhaseFailure(
      'AlgorithmChecksumMismatch',
      'the algorithm differs from the one that was published; publish it again with its checksum',
      false,
    );
  }
  throw new Error('the bytes differ from what was announced');
};

const refusal = ({ role, n }: PlannedFile, { problem }: Refused): PhaseFailure => {
  const byRole = role === 'algorithm' ? 'AlgorithmUnavailable' : 'InputUnavailable';
  const said = problem.type === '' || (role === 'algorithm' && problem.type === 'InputUnavailable') ? byRole : problem.type;
  return new PhaseFailure(said, (problem.message || `file ${n} was refused`).slice(0, 500), false);
};

const givenUp = ({ role, n }: PlannedFile, err: unknown): PhaseFailure =>
  new PhaseFailure(
    role === 'algorithm' ? 'AlgorithmUnavailable' : 'InputUnavailable',
    `file ${n} of the ${role === 'algorithm' ? 'algorithm' : 'inputs'} could not be fetched: ${
      err instanceof Refused ? err.problem.message : 'its source sends no data'
    }`.slice(0, 500),
    true,
  );
