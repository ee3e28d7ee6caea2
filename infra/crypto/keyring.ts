/** Symmetric keys of the service: the first seals, all open, so that keys can be rotated. */

import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { z } from 'zod';

const algorithm = 'aes-256-gcm';
const ivBytes = 12;
const tagBytes = 16;

interface Key {
  readonly id: string;
  readonly secret: Buffer;
}

/**
 * Configuration text of a keyring: `id:base64[,id:base64…]`, each key 32 bytes, ids of 1 to 32 letters, digits, `-`, `_`.
 * The first key seals. To rotate, put a new key in front and keep the old ones until nothing sealed with them is left.
 */
export const keyringText = z.string().transform((text, context): readonly [Key, ...Key[]] => {
  const keys: Key[] = [];
  for (const part of text.split(',').map((entry) => entry.trim())) {
    const match = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/]{43}=)$/.exec(part);
    if (match?.[1] === undefined || match[2] === undefined) {
      context.addIssue({ code: 'custom', message: 'is not a list of id:base64 keys of 32 bytes each' });
      return z.NEVER;
    }
    keys.push({ id: match[1], secret: Buffer.from(match[2], 'base64') });
  }
  const [first, ...others] = keys;
  if (first === undefined || new Set(keys.map((key) => key.id)).size !== keys.length) {
    context.addIssue({ code: 'custom', message: 'has no key, or two keys with one id' });
    return z.NEVER;
  }
  return [first, ...others];
});

/** Seals and opens bytes. What was sealed is bound to its `context`: it opens under no other. */
export interface Keyring {
  /** @returns key id, IV, tag and ciphertext in one buffer */
  seal(plaintext: Uint8Array, context: string): Buffer;
  /** @throws Error when the key is unknown, the bytes were changed or the context differs */
  open(sealed: Uint8Array, context: string): Buffer;
  /** Keys derived from each key for one purpose, newest first; 32 bytes each. For HMACs. */
  derive(purpose: string): readonly Buffer[];
}

/** @param keys parsed by `keyringText` */
export const createKeyring = (keys: readonly [Key, ...Key[]]): Keyring => ({
  seal(plaintext, context) {
    const [{ id, secret }] = keys;
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv(algorithm, secret, iv);
    cipher.setAAD(Buffer.from(context));
    const body = Buffer.concat([cipher.update(plaintext), cipher.final()]);
    return Buffer.concat([Buffer.from([id.length]), Buffer.from(id), iv, cipher.getAuthTag(), body]);
  },
  open(sealed, context) {
    const bytes = Buffer.from(sealed);
    const idLength = bytes[0] ?? 0;
    const id = bytes.subarray(1, 1 + idLength).toString();
    const key = keys.find((candidate) => candidate.id === id);
    if (key === undefined) throw new Error(`no key named ${JSON.stringify(id.slice(0, 32))} is configured`);
    const ivStart = 1 + idLength;
    const decipher = createDecipheriv(algorithm, key.secret, bytes.subarray(ivStart, ivStart + ivBytes));
    decipher.setAAD(Buffer.from(context));
    decipher.setAuthTag(bytes.subarray(ivStart + ivBytes, ivStart + ivBytes + tagBytes));
    return Buffer.concat([decipher.update(bytes.subarray(ivStart + ivBytes + tagBytes)), decipher.final()]);
  },
  derive: (purpose) => keys.map(({ secret }) => createHmac('sha256', secret).update(purpose).digest()),
});
