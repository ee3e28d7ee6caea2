/** Names a job after the key that its request came with, so that a repeated request meets its own job. */

import { createHash, randomUUID } from 'node:crypto';
import { canonicalJson } from '../losslessJson.ts';
import { CodedRefusal } from './problem.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const acceptable = /^[\x21-\x7e]{1,255}$/;

/**
 * The key of a request; one without a key is like no other.
 * @throws Refusal 400 for a key that is no visible ASCII of 1 to 255 characters
 */
export const readKey = (header: string | undefined): string => {
  const key = header ?? randomUUID();
  if (!acceptable.test(key))
    throw new CodedRefusal('RequestInvalid', 400, 'Idempotency-Key is not 1 to 255 visible ASCII characters without blanks');
  return key;
};

/** Keys of one consumer never meet those of another, nor jobs that are named after a nonce. */
export const keyedJobId = (address: string, key: string): string => sha256(`keyed/${address.toLowerCase()}/${sha256(key)}`).slice(0, 32);

/** Equal for equal requests, however they are written. What is sealed is another text each time, so it does not count. */
export const digestOf = ({ encryptedDockerRegistryAuth: _auth, output: _output, ...body }: Readonly<Record<string, unknown>>): string =>
  sha256(canonicalJson(body));
