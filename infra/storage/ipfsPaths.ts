/**
 * Where things lie in a node's file system. `<jobId>/<podAttempt>/parts/<n>.<k>.<sha256>` are uploads under way, `files/<n>`
 * complete files, and `sealed` is what is pinned: `results` with the names that consumers see, and under the job's id, which makes
 * the whole unlike that of any other job, the same files by number.
 */

import { JobFailure } from '../../workflows/contract/failures.ts';
import { isJobId } from '../../workflows/contract/ids.ts';
import type { IpfsNode } from './ipfsNode.ts';
import type { StoredFileRef } from './resultStore.ts';

/** Of one pod attempt. */
export interface AttemptPaths {
  readonly attempt: string;
  readonly parts: string;
  readonly files: string;
  readonly sealed: string;
  /** in `sealed`: by the names that consumers see */
  readonly results: string;
  /** in `sealed`: by number */
  readonly numbers: string;
  readonly jobId: string;
}

/** Folder of a job. @throws JobFailure StorageRefused for what is no job id */
export const jobPath = (folder: string, jobId: string): string => {
  if (!isJobId(jobId)) throw new JobFailure('StorageRefused', 'results are stored under job ids only');
  return `${folder}/${jobId}`;
};

const asNumber = (value: number): string => {
  if (!Number.isSafeInteger(value) || value < 0) throw new JobFailure('StorageRefused', 'results are stored under numbers only');
  return String(value);
};

export const pathsOf = (folder: string, { jobId, podAttempt }: Omit<StoredFileRef, 'n'>): AttemptPaths => {
  const attempt = `${jobPath(folder, jobId)}/${asNumber(podAttempt)}`;
  const sealed = `${attempt}/sealed`;
  return {
    attempt,
    parts: `${attempt}/parts`,
    files: `${attempt}/files`,
    sealed,
    results: `${sealed}/results`,
    numbers: `${sealed}/${jobId}`,
    jobId,
  };
};

/** A part that has arrived, under the digest that it was verified with. */
export interface PartName {
  readonly k: number;
  readonly name: string;
}

/** Where a file is gathered, verified and read. */
export const filePaths = (folder: string, file: StoredFileRef) => {
  const paths = pathsOf(folder, file);
  const n = asNumber(file.n);
  const whole = `${paths.files}/${n}`;
  return {
    ...paths,
    whole,
    part: (k: number, sha256: string) => `${paths.parts}/${n}.${asNumber(k)}.${sha256}`,
    /** which of the names in `parts` are of this file */
    partsAmong: (names: readonly string[]): readonly PartName[] =>
      names.filter((name) => name.startsWith(`${n}.`)).map((name) => ({ k: Number(name.split('.')[1]), name: `${paths.parts}/${name}` })),
    /** where it is looked for: a node may have another version of it that nothing came of */
    finished: [`${paths.numbers}/${n}`, whole],
  };
};

/** The attempts of a job that the node knows, or the one that is asked for. */
export const attemptsOf = async (
  node: Pick<IpfsNode, 'list'>,
  folder: string,
  { jobId, podAttempt }: { readonly jobId: string; readonly podAttempt?: number },
): Promise<readonly AttemptPaths[]> => {
  if (podAttempt !== undefined) return [pathsOf(folder, { jobId, podAttempt })];
  const entries = await node.list(jobPath(folder, jobId));
  return entries.filter(({ name }) => /^\d{1,9}$/.test(name)).map(({ name }) => pathsOf(folder, { jobId, podAttempt: Number(name) }));
};
