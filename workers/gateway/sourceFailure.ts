/** What a data source's failure means for a job. Pure. */

import { isJobFailure, type FailureType } from '../../workflows/contract/failures.ts';
import type { Problem } from './protocol.ts';

/** Answers that no repetition changes. Refused credentials may be repaired, and a limit of requests passes. */
const finalAnswers = new Set([404, 410]);

/** The status that a data source answered, if that is what failed. */
export const answeredStatus = (err: unknown): number | null => {
  if (typeof err !== 'object' || err === null || !('statusCode' in err)) return null;
  return typeof err.statusCode === 'number' ? err.statusCode : null;
};

const hasName = (err: unknown, name: string): err is Error => typeof err === 'object' && err !== null && 'name' in err && err.name === name;

/**
 * Type, text and finality of a failed fetch.
 * @param label names the file, without its address
 */
export const sourceProblem = (err: unknown, role: 'input' | 'algorithm' | 'platform', label: string): Problem => {
  const type: FailureType = role === 'algorithm' ? 'AlgorithmUnavailable' : 'InputUnavailable';
  const statusCode = answeredStatus(err);
  if (statusCode !== null) {
    return { type, message: `${label}: the data source answered ${statusCode}`, retryable: !finalAnswers.has(statusCode) };
  }
  if (isJobFailure(err)) {
    const generic = err.type === 'InputUnavailable' || err.type === 'AlgorithmUnavailable';
    return { type: generic ? type : err.type, message: `${label}: ${err.message}`, retryable: err.retryAfterSeconds !== undefined };
  }
  if (hasName(err, 'OutboundRefused')) return { type, message: `${label}: ${err.message}`, retryable: false };
  if (hasName(err, 'OutboundFailed')) return { type, message: `${label}: ${err.message}`, retryable: true };
  // messages of other errors may quote the address
  return { type, message: `${label}: the data source cannot be read at the moment`, retryable: true };
};
