/** `GET /api/services/nonce`: the last nonce of an address. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import { required, requireFields } from './fields.ts';
import type { ClassicDeps, ClassicRoute } from './ports.ts';
import { dataOf, readRequestData, textOf } from './requestData.ts';

/** What an address that never signed is told: its first nonce is above it. */
export const firstNonce = '1';

/** Nothing is written. */
export const answerClassicNonce = ({ ledger }: Pick<ClassicDeps, 'ledger'>): RequestHandler =>
  async function answerClassicNonce(_req, res) {
    const { plain } = dataOf(res);
    requireFields({ userAddress: [required] }, plain);
    const address = (textOf(plain['userAddress']) ?? '').toLowerCase();
    res.set('Cache-Control', 'no-store').json({ nonce: (await ledger.nonceOf(address)) ?? firstNonce });
  };

export const classicNonceRoute: ClassicRoute = {
  method: 'get',
  path: '/api/services/nonce',
  id: 'nonce',
  summary: 'The last nonce that an address used',
  query: z.object({ userAddress: z.string() }),
  answers: {
    200: { description: 'Decimal text', contentType: 'application/json', schema: z.strictObject({ nonce: z.string().regex(/^\d+$/) }) },
  },
  refusals: [400],
  handle: (deps) => [...readRequestData(deps.limits.jsonBytes), answerClassicNonce(deps)],
};
