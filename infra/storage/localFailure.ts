/** What an error of the file system means for a job. Pure. */

import { JobFailure, isJobFailure } from '../../workflows/contract/failures.ts';

/** Only an operator can change these; trying again is pointless. */
const refused: Readonly<Record<string, string>> = {
  EACCES: 'the result store does not permit this: give the service the rights to its folder',
  EPERM: 'the result store does not permit this: give the service the rights to its folder',
  ENOTDIR: 'the folder of the result store is not a folder: correct its path',
  EISDIR: 'the result store has a folder where a file belongs',
  ELOOP: 'the folder of the result store is a loop of links: correct its path',
  ENAMETOOLONG: 'the path of the result store is too long: choose a shorter one',
  EROFS: 'the result store is read-only: mount it writable',
  ENOENT: 'the file is not in the result store',
};

/** These may pass, or an operator may act while the job waits. */
const unavailable: Readonly<Record<string, string>> = {
  ENOSPC: 'the result store is full: free space or enlarge it',
  EDQUOT: "the result store's quota is used up: free space or enlarge it",
  EFBIG: "a file is larger than the result store's file system takes",
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
  EIO: 'the result store has an input or output error: look at its disk',
};

const retryAfterSeconds = 10;

/** A failure that goes away by itself or by an operator's hand. */
export const storageUnavailable = (message: string, seconds = retryAfterSeconds): JobFailure =>
  new JobFailure('StorageUnavailable', message, { retryAfterSeconds: seconds });

/** @returns the failure to throw; a JobFailure passes unchanged. The message holds no path. */
export const localFailure = (err: unknown): JobFailure => {
  if (isJobFailure(err)) return err;
  const code = typeof err === 'object' && err !== null && 'code' in err && typeof err.code === 'string' ? err.code : 'unknown error';
  const refusal = refused[code];
  if (refusal !== undefined) return new JobFailure('StorageRefused', refusal);
  return storageUnavailable(unavailable[code] ?? `the result store cannot be used at the moment (${code})`);
};
