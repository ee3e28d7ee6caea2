/** Lives of jobs that no pod runs: the ledger hears what it would hear from one. */

import { createHash } from 'node:crypto';
import type { ClassicWorld } from '../api/support/classicWorld.ts';

const contents = [
  { filename: 'algorithm.log', type: 'algorithmLog', text: 'done\n' },
  { filename: 'model.csv', type: 'output', text: 'a,b\n1,2\n' },
] as const;

/** Publishes two files and ends the job; one that has ended stays as it is. */
export const endJob = async ({ opened: { ledger }, files }: ClassicWorld, jobId: string): Promise<void> => {
  if ((await ledger.readJob(jobId))?.finishedAtMs !== null) return;
  await ledger.beginPodAttempt({ jobId, podAttempt: 1, hasPlace: true });
  const results = contents.map(({ filename, type, text }, index) => {
    files.set(`${jobId}/1/${index}`, Buffer.from(text));
    const sha256 = createHash('sha256').update(text).digest('hex');
    return { index, filename, filesize: Buffer.byteLength(text), type, n: index, sha256 };
  });
  await ledger.recordResults({ jobId, podAttempt: 1, results });
  const reason = 'the algorithm ended with exit code 0';
  await ledger.recordJob({ jobId, podAttempt: 1, status: 70, reason, end: { status: 70, reason, exitCode: 0, oomKilled: false } });
};

/** Begins the algorithm. */
export const runJob = async ({ opened: { ledger } }: ClassicWorld, jobId: string): Promise<void> => {
  await ledger.beginPodAttempt({ jobId, podAttempt: 1, hasPlace: true });
  await ledger.recordProgress({ jobId, podAttempt: 1, status: 40, reason: '' });
};
