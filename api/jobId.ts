/** Names a job after the request that asks for it, so that a repeated request meets its own job. */

import { createHash } from 'node:crypto';
import { canonicalJson } from './losslessJson.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** What a job id is made of. */
export interface JobIdentity {
  readonly consumerAddress: string;
  /** decimal text */
  readonly nonce: string;
  /** the body as it was received; its `signature` is left out */
  readonly request: Readonly<Record<string, unknown>>;
}

/**
 * Contract "Node-style API §6": first 32 hex of sha256 over the lower-case address, the nonce and the sha256 of the
 * canonical JSON of the request without `signature`. Address and digest have fixed lengths, so the three need no separator.
 */
export const deriveJobId = ({ consumerAddress, nonce, request }: JobIdentity): string => {
  const { signature: _signature, ...signed } = request;
  return sha256(`${consumerAddress.toLowerCase()}${nonce}${sha256(canonicalJson(signed))}`).slice(0, 32);
};
