/** A job's log as it grows. */

import { createBell } from './bell.ts';
import type { JobLedger } from './ports.ts';

const pieceBytes = 64 * 1024;

/** Which log, from where, and for how long. */
export interface LogStream {
  readonly ledger: Pick<JobLedger, 'readLog' | 'watchJob'>;
  readonly jobId: string;
  /** in bytes; default: from the beginning */
  readonly offset?: number;
  readonly signal: AbortSignal;
}

/**
 * The log's pieces in order, until the job ends or `signal` is aborted. When a lost pod is replaced its successor's
 * log follows from the beginning.
 */
export const followLog = async function* ({ ledger, jobId, offset: from = 0, signal }: LogStream): AsyncGenerator<Buffer> {
  const bell = createBell();
  const unwatch = ledger.watchJob(jobId, bell.ring);
  signal.addEventListener('abort', bell.ring);
  try {
    let offset = from;
    let podAttempt: number | undefined;
    while (!signal.aborted) {
      const piece = await ledger.readLog(jobId, offset, pieceBytes);
      if (podAttempt !== undefined && piece.podAttempt !== podAttempt && offset > 0) {
        podAttempt = piece.podAttempt;
        offset = 0;
        continue;
      }
      podAttempt = piece.podAttempt;
      offset += piece.bytes.length;
      if (piece.bytes.length > 0) yield piece.bytes;
      else if (piece.ended) return;
      else await bell.wait();
    }
  } finally {
    signal.removeEventListener('abort', bell.ring);
    unwatch();
  }
};

/** What of the log is there now, from `offset` on. */
export const readLogSoFar = async function* ({ ledger, jobId, offset: from = 0, signal }: LogStream): AsyncGenerator<Buffer> {
  let offset = from;
  while (!signal.aborted) {
    const { bytes } = await ledger.readLog(jobId, offset, pieceBytes);
    if (bytes.length === 0) return;
    offset += bytes.length;
    yield bytes;
  }
};
