/** A job as classic clients read it: Operator-Service API §4, public fields only. */

import { status, statusText } from '../../workflows/contract/status.ts';
import type { JobRow } from '../ports.ts';
import type { ClassicJob } from './schemas.ts';

/** Texts of the classic API where they differ; all other numbers have one text on all surfaces. */
const classicTexts: Readonly<Record<number, string>> = { [status.queued]: 'Warming up', [status.provisioningData]: 'Provisioning success' };

/** The classic text of a status number. */
export const classicStatusText = (number: number): string => classicTexts[number] ?? statusText(number);

const epochText = (milliseconds: number): string => String(milliseconds / 1_000);

const renderResults = ({ results }: JobRow): ClassicJob['results'] =>
  results.length === 0
    ? ''
    : results.toSorted((a, b) => a.index - b.index).map(({ filename, filesize, type }) => ({ filename, filesize, type }));

const stopNumber = ({ status: number, stopRequested }: JobRow): ClassicJob['stopreq'] => {
  if (number === status.timedOut) return 2;
  return stopRequested ? 1 : 0;
};

/** `results` is an empty text until there are any; the position in the list is the index of `computeResult`. */
export const renderClassicJob = (row: JobRow): ClassicJob => ({
  agreementId: row.agreementId,
  jobId: row.jobId,
  owner: row.owner,
  status: row.status,
  statusText: classicStatusText(row.status),
  dateCreated: epochText(row.createdAtMs),
  dateFinished: row.finishedAtMs === null ? null : epochText(row.finishedAtMs),
  results: renderResults(row),
  stopreq: stopNumber(row),
  removed: 0,
  algoDID: row.algorithmDid,
  inputDID: [...row.inputDids],
  terminationDetails: row.termination && {
    exitCode: row.termination.exitCode,
    OOMKilled: row.termination.OOMKilled,
    reason: row.termination.reason,
  },
});
