/** `GET /api/services/nonce`: the last nonce of an address. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import { isAddress } from '../authentication.ts';
import { required, requireFields } from './fields.ts';
import type { ClassicDeps, ClassicRoute } from './ports.ts';
import { dataOf, readRequestData, textOf } from './requestData.ts';

/** What an address that never signed is told: its first nonce is above it. */
const firstNonce = '1';

/** The last nonce of an address. What is no address never signed anything. */
export const readNonce = async ({ ledger }: Pick<ClassicDeps, 'ledger'>, address: string | null): Promise<string> =>
  (isAddress(address) ? await ledger.nonceOf(address.toLowerCase()) : null) ?? firstNonce;

/** Nothing is written. */
export const answerClassicNonce = ({ ledger }: Pick<ClassicDeps, 'ledger'>): RequestHandler =>
  async function answerClassicNonce(_req, res) {
    const { plain } = dataOf(res);
    requireFields({ userAddress: [required] }, plain);
    res.set('Cache-Control', 'no-store').json({ nonce: await readNonce({ ledger }, textOf(plain['userAddress'])) });
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
