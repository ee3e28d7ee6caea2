/** The narrow type behind which results are stored: a local folder, S3, IPFS. */

import type { Readable } from 'node:stream';

/** Identifies one stored file: job, pod attempt and the agent's file number. */
export interface StoredFileRef {
  readonly jobId: string;
  readonly podAttempt: number;
  readonly n: number;
}

/** A stored file and the store that its job began with. */
export interface PlacedFileRef extends StoredFileRef {
  readonly store: string;
}

/** One part of a file, as it is sent. */
export interface StoredPart {
  readonly k: number;
  readonly offset: number;
  readonly sizeBytes: number;
  /** lower-case hex */
  readonly sha256: string;
}

/** What a complete file must be. */
export interface StoredFile {
  readonly sizeBytes: number;
  /** lower-case hex */
  readonly sha256: string;
  readonly parts: number;
  readonly partBytes: number;
  /** lower-case hex, one a part; absent where an older agent does not tell: such a file may have to be read back */
  readonly partDigests?: readonly string[];
}

/** A whole file that is sent in one piece. */
export type WholeFile = Pick<StoredFile, 'sizeBytes' | 'sha256'>;

/** A complete file, and what consumers will see of it. */
export interface SealedFile {
  /** the agent's number */
  readonly n: number;
  readonly filename: string;
  /** lower-case hex */
  readonly sha256: string;
}

/** Where content can be found in a network that addresses it by what it is: CIDs of version 1. */
export interface ContentIds {
  /** a directory with all results of the job, by the names that consumers see */
  readonly directory: string;
  /** by the agent's number of the file */
  readonly files: ReadonlyMap<number, string>;
}

/** Stores the files of jobs. Failures: `JobFailure('StorageRefused' | 'StorageUnavailable')`. */
export interface ResultStore {
  /** Stores one part; repeating it with the same bytes changes nothing. Verifies `sha256` of the part. */
  putPart(file: StoredFileRef, part: StoredPart, bytes: Readable): Promise<void>;
  /** After the call the file is whole, its size and digest verified, and durable. Safe to repeat. */
  complete(file: StoredFileRef, expected: StoredFile): Promise<void>;
  /** Both in one, for a file that fits in one part. Absent where that is no faster than a part and its completion. */
  putWhole?(file: StoredFileRef, whole: WholeFile, bytes: Readable): Promise<void>;
  /**
   * Makes one published whole of an attempt's complete files. Absent in stores whose files have no identity of their own.
   * After the call they are found by their CIDs, pinned on as many nodes as the operator asks for. Safe to repeat.
   */
  seal?(attempt: Omit<StoredFileRef, 'n'>, files: readonly SealedFile[]): Promise<ContentIds>;
  /** Bytes `start` to `end`, both included, of a completed file. */
  read(file: StoredFileRef, range?: { readonly start: number; readonly end: number }): Promise<Readable>;
  /** Removes everything stored for a job, or for one of its pod attempts. Tolerates absence. */
  remove(job: { readonly jobId: string; readonly podAttempt?: number }): Promise<void>;
  /** Resolves when the store can take writes, throws otherwise. For health checks. */
  check(): Promise<void>;
}
