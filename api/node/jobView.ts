/** A job as the node-style API shows it: public fields only. */

import { createHash } from 'node:crypto';
import { status, statusText } from '../../workflows/contract/status.ts';
import type { JobRow } from '../ports.ts';
import type { ComputeJob } from './schemas.ts';

const toEpochText = (milliseconds: number): string => String(milliseconds / 1_000);

const toEpochTextOrNull = (milliseconds: number | null): string | null => (milliseconds === null ? null : toEpochText(milliseconds));

/** Results of a paid job are complete when its payment is about to be claimed: for its consumer it has finished then. */
const finishedAtMs = (row: JobRow): number | null => row.phases[String(status.settling)] ?? row.finishedAtMs;

/** Clients read `payment.lockTx` of every job that was ordered; where time costs nothing, nothing is locked. */
const renderPayment = ({ payment, chainId }: JobRow): ComputeJob['payment'] => {
  if (payment === null) return { chainId, token: null, lockTx: null, claimTx: null, cancelTx: null, cost: 0 };
  const { token, lockTx, claimTx, cancelTx, cost, decimals } = payment;
  return { chainId: payment.chainId, token, lockTx, claimTx, cancelTx, cost: Number(`${cost}e-${decimals}`) };
};

const startedOrZero = (milliseconds: number | null): string => (milliseconds === null ? '0' : toEpochText(milliseconds));

/** `0x` and the sha256 of a job id: the same number names the job in the escrow contract. */
export const hashJobId = (jobId: string): string => `0x${createHash('sha256').update(jobId).digest('hex')}`;

/**
 * Node-style Provider API §9: times are decimal seconds as text, `"0"` until known; `results` has no storage
 * references; free jobs have no payment. Nothing that the consumer sent as code, file object or user data is shown.
 */
export const renderJob = (row: JobRow): ComputeJob => ({
  owner: row.owner,
  jobId: row.jobId,
  jobIdHash: hashJobId(row.jobId),
  did: row.inputDids[0] ?? null,
  inputDID: [...row.inputDids],
  algoDID: row.algorithmDid,
  agreementId: row.agreementId,
  environment: row.environmentId,
  isFree: row.isFree,
  status: row.status,
  statusText: statusText(row.status),
  statusReason: row.reason,
  dateCreated: toEpochText(row.createdAtMs),
  dateFinished: toEpochTextOrNull(finishedAtMs(row)),
  algoStartTimestamp: startedOrZero(row.algorithmStartedAtMs),
  algoStopTimestamp: startedOrZero(row.algorithmFinishedAtMs),
  algoDuration:
    row.algorithmStartedAtMs === null || row.algorithmFinishedAtMs === null
      ? 0
      : Math.max(0, row.algorithmFinishedAtMs - row.algorithmStartedAtMs) / 1_000,
  // images are never built here
  buildStartTimestamp: '0',
  buildStopTimestamp: '0',
  maxJobDuration: row.maxJobDuration,
  queueMaxWaitTime: row.queueMaxWaitTime,
  resources: Object.entries(row.resources).map(([id, amount]) => ({ id, amount })),
  results: row.results.map(({ filename, filesize, type, index }) => ({ filename, filesize, type, index })),
  stopRequested: row.stopRequested,
  terminationDetails: row.termination && {
    exitCode: row.termination.exitCode,
    OOMKilled: row.termination.OOMKilled,
    reason: row.termination.reason,
  },
  payment: row.isFree ? null : renderPayment(row),
  metadata: row.metadata ?? null,
  additionalViewers: [...row.additionalViewers],
});
