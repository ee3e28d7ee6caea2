/** What a data source's failure means for a job. Pure. */

import { isJobFailure, type FailureType } from '../../workflows/contract/failures.ts';

/** What an agent is told of a failed fetch. */
export interface SourceProblem {
  readonly type: FailureType;
  readonly message: string;
  readonly retryable: boolean;
}

/** By name: the classes belong to adapters. Their messages hold no address. */
const kindOf = (err: unknown): { readonly message: string; readonly retryable: boolean } | null => {
  if (typeof err !== 'object' || err === null || !('name' in err) || !('message' in err) || typeof err.message !== 'string') return null;
  if (err.name === 'SourceFailure') return { message: err.message, retryable: !('kind' in err && err.kind === 'permanent') };
  if (err.name === 'OutboundRefused') return { message: err.message, retryable: false };
  if (err.name === 'OutboundFailed') return { message: err.message, retryable: true };
  return null;
};

/**
 * Type, text and finality of a failed fetch.
 * @param label names the file, without its address
 */
export const sourceProblem = (err: unknown, role: 'input' | 'algorithm' | 'platform', label: string): SourceProblem => {
  const type: FailureType = role === 'algorithm' ? 'AlgorithmUnavailable' : 'InputUnavailable';
  const known = kindOf(err);
  if (known !== null) return { type, message: `${label}: ${known.message}`, retryable: known.retryable };
  if (isJobFailure(err)) {
    const generic = err.type === 'InputUnavailable' || err.type === 'AlgorithmUnavailable';
    return { type: generic ? type : err.type, message: `${label}: ${err.message}`, retryable: err.retryAfterSeconds !== undefined };
  }
  // messages of other errors may quote the address
  return { type, message: `${label}: the data source cannot be read at the moment`, retryable: true };
};
