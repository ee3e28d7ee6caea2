/** Logs of the parts that a job once had: three pods, one after the other. */

import { buffer } from 'node:stream/consumers';
import { status } from '../../workflows/contract/status.ts';
import { classicStatusText } from '../classic/jobView.ts';
import type { JobRow } from '../ports.ts';
import { isExpired } from '../retention.ts';
import type { OperatorDeps } from './ports.ts';

const pieceBytes = 1024 ** 2;
/** Longer logs are in the job's results. */
const longestLog = 16 * 1024 ** 2;

/** The log as it grows; once it has ended and was put away, the file in the results. */
const readAlgorithmLog = async ({ ledger, results }: OperatorDeps, row: JobRow): Promise<Buffer | null> => {
  if (isExpired(row)) return null;
  const pieces: Buffer[] = [];
  let length = 0;
  while (length < longestLog) {
    const { bytes } = await ledger.readLog(row.jobId, length, pieceBytes);
    if (bytes.length === 0) break;
    pieces.push(bytes);
    length += bytes.length;
  }
  if (length > 0) return Buffer.concat(pieces);
  const entry = row.results.find(({ type }) => type === 'algorithmLog');
  if (entry === undefined) return row.algorithmStartedAtMs === null ? null : Buffer.alloc(0);
  const range = entry.filesize > longestLog ? { start: 0, end: longestLog - 1 } : undefined;
  return buffer(await results.read({ store: row.store, jobId: row.jobId, podAttempt: row.podAttempt, n: entry.n }, range));
};

/** What the service did, a line a step. */
const tellPhases = (row: JobRow, belongs: (number: number) => boolean): Buffer | null => {
  const steps = Object.entries(row.phases)
    .map(([number, atMs]) => ({ number: Number(number), atMs }))
    .filter(({ number }) => belongs(number))
    .toSorted((a, b) => a.atMs - b.atMs || a.number - b.number);
  if (steps.length === 0) return null;
  const lines = steps.map(({ number, atMs }) => `${new Date(atMs).toISOString()} ${number} ${classicStatusText(number).trim()}`);
  const reason = belongs(row.status) && row.reason !== '' ? [row.reason] : [];
  return Buffer.from([...lines, ...reason, ''].join('\n'));
};

/** Failures before the algorithm ran are configuration, all that follows its run is publishing. */
const isConfiguration = (number: number): boolean => number < status.running;

/** @returns null for a part that has not begun, and for one that there is not */
export const readComponentLog = async (deps: OperatorDeps, row: JobRow, component: string): Promise<Buffer | null> => {
  if (component === 'algorithm') return readAlgorithmLog(deps, row);
  if (component === 'configure') return tellPhases(row, isConfiguration);
  return component === 'publish' ? tellPhases(row, (number) => number > status.running) : null;
};
