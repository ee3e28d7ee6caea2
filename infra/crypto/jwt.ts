/** JSON Web Tokens of this service: HS256 and nothing else, whatever a token's header says. */

import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Keyring } from './keyring.ts';

const purpose = 'auth-token';
const header = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'JWT' })).toString('base64url');
const shape = /^([A-Za-z0-9_-]{1,200})\.([A-Za-z0-9_-]{1,2000})\.([A-Za-z0-9_-]{43})$/;

/** Signs payloads, and reads what it signed. When a payload expires is its reader's business. */
export interface Jwts {
  sign(payload: Readonly<Record<string, unknown>>): string;
  /** @returns the payload, or null for anything that no key of ours has signed; takes the same time for every wrong MAC */
  open(token: string): unknown;
}

const parseJson = (part: string): unknown => {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as unknown;
  } catch {
    return null;
  }
};

const isOurHeader = (part: string): boolean => {
  const parsed = parseJson(part);
  return typeof parsed === 'object' && parsed !== null && 'alg' in parsed && parsed.alg === 'HS256';
};

/** Keys are derived from the keyring's: the first signs, all verify, so that tokens outlive a rotation. */
export const createJwts = (keyring: Keyring): Jwts => {
  const keys = keyring.derive(purpose);
  // compared as text: of the texts that decode to one MAC only the canonical one is good
  const macOf = (key: Buffer, signed: string): Buffer => Buffer.from(createHmac('sha256', key).update(signed).digest('base64url'));
  return {
    sign(payload) {
      const [key] = keys;
      if (key === undefined) throw new Error('a keyring has at least one key');
      const signed = `${header}.${Buffer.from(JSON.stringify(payload)).toString('base64url')}`;
      return `${signed}.${macOf(key, signed).toString()}`;
    },
    open(token) {
      const [, head, body, mac] = shape.exec(token) ?? [];
      if (head === undefined || body === undefined || mac === undefined || !isOurHeader(head)) return null;
      const given = Buffer.from(mac);
      return keys.some((key) => timingSafeEqual(macOf(key, `${head}.${body}`), given)) ? parseJson(body) : null;
    },
  };
};
