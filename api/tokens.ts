/** Auth tokens: what a consumer signs once, so that later calls need no signature. Node-style Provider API §2. */

import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Jwts } from '../infra/crypto/jwt.ts';
import { isAddress, tokenIn } from './authentication.ts';
import type { Tokens } from './ports.ts';
import { Refusal } from './problems.ts';

/** What tokens need of the ledger. */
export interface TokenLedger {
  invalidateToken(tokenId: string, expiresAtMs: number): Promise<void>;
  isTokenInvalidated(tokenId: string): Promise<boolean>;
}

export interface TokensDeps {
  readonly jwts: Jwts;
  readonly ledger: TokenLedger;
  /** longest life of a token, and the life of one for which no end was asked */
  readonly longestSeconds: number;
  /** milliseconds since the epoch */
  readonly now?: () => number;
}

/** What is in a token; clients decode it and read `address`. */
const tokenClaims = z.object({
  address: z.string().refine(isAddress),
  nonce: z.string(),
  /** milliseconds since the epoch */
  createdAt: z.number(),
  /** seconds since the epoch */
  exp: z.number(),
  jti: z.string().min(1),
});

export type TokenClaims = z.output<typeof tokenClaims>;

/** What a text is worth as a token; `unknown`: this service did not make it. */
export type TokenVerdict =
  { readonly kind: 'alive' | 'expired' | 'invalidated'; readonly claims: TokenClaims } | { readonly kind: 'unknown' };

/** The port, and more than it: why a token is not alive, for surfaces that tell. */
export interface ExaminedTokens extends Tokens {
  examine(token: string): Promise<TokenVerdict>;
}

/** What callers of a dead or foreign token are told; why it is dead is nobody's business but its owner's. */
const invalidToken = (): Refusal => new Refusal(401, 'Invalid token');

/** @param deps the ledger is asked at each use, so that a token is dead in every process at once */
export const createTokens = ({ jwts, ledger, longestSeconds, now = Date.now }: TokensDeps): ExaminedTokens => {
  const examine = async (token: string): Promise<TokenVerdict> => {
    const parsed = tokenClaims.safeParse(jwts.open(token));
    if (!parsed.success) return { kind: 'unknown' };
    const claims = parsed.data;
    if (claims.exp * 1_000 <= now()) return { kind: 'expired', claims };
    return { kind: (await ledger.isTokenInvalidated(claims.jti)) ? 'invalidated' : 'alive', claims };
  };
  return {
    issue({ address, nonce, validUntilMs }) {
      const createdAt = now();
      const asked = validUntilMs === null ? Number.POSITIVE_INFINITY : Math.floor(validUntilMs / 1_000);
      const exp = Math.min(asked, Math.floor(createdAt / 1_000) + longestSeconds);
      if (exp * 1_000 <= createdAt) throw new Refusal(400, 'validUntil is in the past: leave it out, or name a later time');
      return jwts.sign({ address, nonce, createdAt, exp, jti: randomUUID() });
    },
    examine,
    async verify(authorization) {
      const token = tokenIn(authorization);
      const verdict = token === null ? null : await examine(token);
      if (verdict?.kind !== 'alive') throw invalidToken();
      return { address: verdict.claims.address };
    },
    async invalidate(token, address) {
      const verdict = await examine(token);
      if (verdict.kind === 'unknown') throw invalidToken();
      const { claims } = verdict;
      if (claims.address.toLowerCase() !== address.toLowerCase()) throw new Refusal(403, 'The token belongs to another address');
      await ledger.invalidateToken(claims.jti, claims.exp * 1_000);
    },
  };
};
