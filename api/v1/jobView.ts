/** A job as the REST surface shows it: public fields only. */

import { z } from 'zod';
import { readPosition } from '../../workflows/contract/queue.ts';
import { status, statusText } from '../../workflows/contract/status.ts';
import type { JobRow } from '../ports.ts';
import { phaseOf, timeOfPhases } from './phases.ts';
import { rememberedReason } from './problem.ts';
import type { JobDetails, JobSummary, Progress } from './schemas.ts';

const toTime = (milliseconds: number): string => new Date(milliseconds).toISOString();
/** ISO 8601, or null as it is. */
export const toTimeOrNull = (milliseconds: number | null): string | null => (milliseconds === null ? null : toTime(milliseconds));

const reported = z.object({
  phase: z.string(),
  filesDone: z.number().int().nonnegative(),
  filesTotal: z.number().int().nonnegative(),
  bytesDone: z.number().int().nonnegative(),
  bytesTotal: z.number().int().nonnegative().nullable(),
});

/** Bytes count where their total is known, files otherwise. */
const percentOf = ({ filesDone, filesTotal, bytesDone, bytesTotal }: Omit<Progress, 'percent'>): number | null => {
  const [done, total] = bytesTotal !== null && bytesTotal > 0 ? [bytesDone, bytesTotal] : [filesDone, filesTotal];
  return total === 0 ? null : Math.min(100, Math.floor((100 * done) / total));
};

/** Of a transfer; null while nothing is transferred. */
export const progressOf = ({ progress, finishedAtMs }: Pick<JobRow, 'progress' | 'finishedAtMs'>): Progress | null => {
  const { success, data } = reported.safeParse(progress);
  if (!success || finishedAtMs !== null || data.phase === 'runAlgorithm') return null;
  const { phase: _phase, ...counts } = data;
  return { ...counts, percent: percentOf(counts) };
};

/** The place in the queue while the job waits for one. */
export const queueOf = (row: JobRow): JobDetails['queue'] =>
  row.admission === 'accepted' && row.finishedAtMs === null ? readPosition(row.reason) : null;

/** One line of a list. */
export const summarise = (row: JobRow): JobSummary => ({
  id: row.jobId,
  environment: row.environmentId,
  free: row.isFree,
  phase: phaseOf(row),
  status: row.status,
  statusText: statusText(row.status),
  reason: row.reason,
  ended: row.finishedAtMs !== null,
  createdAt: toTime(row.createdAtMs),
  finishedAt: toTimeOrNull(row.finishedAtMs),
  expiresAt: toTimeOrNull(row.expiresAtMs),
});

/** The job's results, without anything that tells where they lie: a CID says what they are, wherever they are. */
export const listResults = ({ results }: Pick<JobRow, 'results'>): Pick<JobDetails, 'results' | 'resultsCid'> => ({
  results: results.map(({ index, filename, filesize, type, sha256, plaintext, cid }) => ({
    ...{ index, name: filename, sizeBytes: filesize, type, sha256, cid: cid ?? null },
    ...(plaintext && { plaintext: { ...plaintext } }),
  })),
  resultsCid: results[0]?.directoryCid ?? null,
});

/** Only outputs of a job that has finished become an asset. */
const assetOf = ({ asset, ...row }: JobRow): JobDetails['asset'] => {
  if (asset === null) return null;
  const isOver = row.finishedAtMs !== null && row.status !== status.finished;
  const news = isOver ? { state: 'notMade' as const, reason: 'only outputs of a job that finished become an asset' } : {};
  return { ...asset, transactions: { ...asset.transactions }, ...news };
};

const deliveryOf = ({ delivery }: Pick<JobRow, 'delivery'>): JobDetails['delivery'] => {
  if (delivery === null) return null;
  const { state, bucket, key, isEncrypted: encrypted, sizeBytes, sha256 } = delivery;
  return { state, bucket, key, encrypted, sizeBytes, sha256 };
};

const timingOf = (row: JobRow, nowMs: number): JobDetails['timing'] => {
  const { algorithmStartedAtMs: started, algorithmFinishedAtMs: finished } = row;
  return {
    totalSeconds: Math.max(0, (row.finishedAtMs ?? nowMs) - row.createdAtMs) / 1_000,
    algorithmSeconds: started === null || finished === null ? null : Math.max(0, finished - started) / 1_000,
    algorithmStartedAt: toTimeOrNull(started),
    algorithmFinishedAt: toTimeOrNull(finished),
    phases: timeOfPhases(row, nowMs),
  };
};

const renderPayment = ({ payment }: Pick<JobRow, 'payment'>): JobDetails['payment'] => {
  if (payment === null) return null;
  const { chainId, token, amount, cost, lockTx, claimTx, cancelTx } = payment;
  const isSettled = claimTx !== null || cancelTx !== null;
  return { chainId, token, locked: amount, cost: isSettled ? cost : null, lockTx, claimTx, cancelTx };
};

/**
 * Everything that the owner may see. Nothing that was sent as code, file object, variable or user data is shown.
 * @param nowMs milliseconds since the epoch; an unfinished phase lasts until then
 */
export const detail = (row: JobRow, nowMs: number): JobDetails => ({
  ...summarise(row),
  owner: row.owner,
  queue: queueOf(row),
  progress: progressOf(row),
  timing: timingOf(row, nowMs),
  maxJobDuration: row.maxJobDuration,
  queueMaxWaitTime: row.queueMaxWaitTime,
  resources: { ...row.resources },
  algorithm: row.algorithmDid === '' ? null : row.algorithmDid,
  datasets: [...row.inputDids],
  agreementId: row.agreementId === '' ? null : row.agreementId,
  ...listResults(row),
  delivery: deliveryOf(row),
  asset: assetOf(row),
  termination: row.termination && {
    exitCode: row.termination.exitCode,
    outOfMemory: row.termination.OOMKilled,
    reason: row.termination.reason,
  },
  refusal: row.admission === 'refused' ? rememberedReason(row.refusalType, row.reason) : null,
  payment: renderPayment(row),
  stopRequested: row.stopRequested,
  metadata: row.metadata ?? null,
  additionalViewers: [...row.additionalViewers],
});
