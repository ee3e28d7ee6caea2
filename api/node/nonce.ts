/** `GET /api/services/nonce`: the last nonce of an address. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import { isAddress } from '../authentication.ts';
import type { ApiDeps } from '../ports.ts';
import { Refusal } from '../problems.ts';
import type { Route } from '../route.ts';

/** Answers `{"nonce": "…"}`, `"0"` for an address that never signed; nothing is written. */
export const answerNonce = ({ ledger }: Pick<ApiDeps, 'ledger'>): RequestHandler =>
  async function answerNonce(req, res) {
    const { userAddress } = req.query;
    if (!isAddress(userAddress)) throw new Refusal(400, 'Parameter : "userAddress" is not a valid web3 address');
    res.set('Cache-Control', 'no-store').json({ nonce: (await ledger.nonceOf(userAddress.toLowerCase())) ?? '0' });
  };

export const nonceRoute: Route = {
  method: 'get',
  path: '/api/services/nonce',
  id: 'readNonce',
  summary: 'The last nonce that an address used',
  query: z.object({ userAddress: z.string() }),
  answers: {
    200: { description: 'Decimal text', contentType: 'application/json', schema: z.strictObject({ nonce: z.string().regex(/^\d+$/) }) },
  },
  refusals: [400],
  handle: (deps) => [answerNonce(deps)],
};
