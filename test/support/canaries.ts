/** Distinctive texts in places that must stay secret, and the search for them in any of their spellings. */

import { randomBytes } from 'node:crypto';

/** A text that occurs nowhere by chance. Letters and digits only, so that no encoding of addresses changes it. */
export const aCanary = (name: string): string => `canary${name}${randomBytes(12).toString('hex')}`;

/** What is left of the base64 of some bytes when they stand behind 0, 1 or 2 others: the middle, which no neighbour changes. */
const base64Cores = (bytes: Buffer, encoding: 'base64' | 'base64url'): readonly string[] =>
  [0, 1, 2].map((shift) =>
    Buffer.concat([Buffer.alloc(shift), bytes])
      .toString(encoding)
      .replace(/=+$/, '')
      .slice(4, -2),
  );

/** A secret in plain, in hex and in base64, wherever it begins. */
export const spellingsOf = (secret: string | Buffer): readonly string[] => {
  const bytes = Buffer.from(secret as string);
  const plain = typeof secret === 'string' ? [secret] : [bytes.toString('latin1')];
  return [
    ...plain,
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    ...base64Cores(bytes, 'base64'),
    ...base64Cores(bytes, 'base64url'),
  ];
};

/** Names of the secrets that occur in a text (bytes as latin1), each with what stands around it. */
export const findCanaries = (haystack: string, secrets: Readonly<Record<string, string | Buffer>>): readonly string[] =>
  Object.entries(secrets).flatMap(([name, secret]) =>
    spellingsOf(secret).flatMap((spelling) => {
      const at = haystack.indexOf(spelling);
      return at === -1 ? [] : [`${name}: …${haystack.slice(Math.max(0, at - 120), at)}<HERE>`];
    }),
  );

/** Every text and every byte of a value, however deep; bytes as latin1. */
export const flatten = (value: unknown): string => {
  const parts: string[] = [];
  const walk = (inner: unknown): void => {
    if (inner instanceof Uint8Array) parts.push(Buffer.from(inner).toString('latin1'));
    else if (typeof inner === 'string') parts.push(inner);
    else if (Array.isArray(inner)) inner.forEach(walk);
    else if (typeof inner === 'object' && inner !== null) {
      for (const [name, next] of Object.entries(inner)) {
        parts.push(name);
        walk(next);
      }
    }
  };
  walk(value);
  return parts.join('\n');
};
