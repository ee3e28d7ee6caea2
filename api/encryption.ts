/** Results that only their consumer can read. docs/encryption.md describes the form. */

import { randomBytes } from 'node:crypto';
import { encrypt } from 'eciesjs';
import { SigningKey } from 'ethers';
import type { ResultEncryption } from '../workflows/contract/spec.ts';
import { Refusal } from './problems.ts';

const secretBytes = 32;

const compress = (publicKey: string): string => {
  try {
    return SigningKey.computePublicKey(publicKey.startsWith('0x') ? publicKey : `0x${publicKey}`, true).slice(2);
  } catch {
    throw new Refusal(400, 'encryption.recipient: is no point of the curve secp256k1');
  }
};

/**
 * A new secret for the results of one job, and the same for the recipient alone.
 * @param publicKey hex, with or without 0x, compressed or not
 * @throws Refusal 400 for what is no public key
 */
export const encryptionTo = (publicKey: string): ResultEncryption => {
  const recipient = compress(publicKey);
  const secret = randomBytes(secretBytes);
  return { recipient, secret: secret.toString('hex'), wrapped: Buffer.from(encrypt(recipient, secret)).toString('hex') };
};
