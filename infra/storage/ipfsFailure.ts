/** What an answer of an IPFS node means for a job. Pure. */

import { JobFailure, isJobFailure } from '../../workflows/contract/failures.ts';
import { storageUnavailable } from './localFailure.ts';

/** Names of what a node answers to a request for something that it does not have; all come with status 500. */
const absence = /does not exist|no link named|not pinned|not found/i;

const statusOf = (err: unknown): number | undefined => {
  const response: unknown = typeof err === 'object' && err !== null && 'response' in err ? err.response : undefined;
  return typeof response === 'object' && response !== null && 'status' in response ? Number(response.status) : undefined;
};

const messageOf = (err: unknown): string => (err instanceof Error ? err.message : '');

/** True when the node answered that there is nothing under the path, or no such pin. */
export const isAbsence = (err: unknown): boolean => statusOf(err) !== undefined && absence.test(messageOf(err));

/** True when no answer came: the node may be away, and another one may do. */
export const isSilence = (err: unknown): boolean => !isJobFailure(err) && statusOf(err) === undefined;

const refusals: Readonly<Record<number, string>> = {
  401: 'an IPFS node asks for other credentials: correct its authorization',
  403: 'an IPFS node does not permit this: correct its authorization',
  404: "there is no RPC API of an IPFS node under the store's address: correct the address",
  405: "there is no RPC API of an IPFS node under the store's address: correct the address",
};

/** Most of these pass at once: a longer pause would cost an upload more than the repetition does. */
const retryAfterSeconds = 2;

/** @returns the failure to throw; a JobFailure passes unchanged. The message holds no address and nothing of the node's. */
export const ipfsFailure = (err: unknown): JobFailure => {
  if (isJobFailure(err)) return err;
  const status = statusOf(err);
  if (status === undefined) return storageUnavailable('an IPFS node cannot be reached', retryAfterSeconds);
  const refusal = refusals[status];
  if (refusal !== undefined) return new JobFailure('StorageRefused', refusal);
  const message = messageOf(err);
  if (absence.test(message)) return storageUnavailable('an IPFS node no longer has what it was given', 1);
  if (/no space left|quota/i.test(message)) return storageUnavailable('an IPFS node is full: free space or enlarge it');
  return storageUnavailable(`an IPFS node cannot do this at the moment (status ${status})`, retryAfterSeconds);
};
