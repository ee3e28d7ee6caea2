/** `GET createAuthToken` and `DELETE deleteAuthToken`: signed with `address + nonce`. Classic Provider API §3 and §4. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import { Refusal } from '../problems.ts';
import type { TokenVerdict } from '../tokens.ts';
import { inFuture, integer, required } from './fields.ts';
import type { ClassicDeps, ClassicRoute } from './ports.ts';
import { dataOf, readRequestData, signedPart, textOf } from './requestData.ts';
import { fieldText } from './schemas.ts';
import { spendCall, verifyCall, type ClassicCaller } from './signature.ts';

type Data = Readonly<Record<string, unknown>>;

/** A token cannot make or end tokens: no header is looked at. */
const callOf = (data: Data) => ({ data, addressField: 'address', message: signedPart(data['address']) });

const createRules = { expiration: [required, integer, inFuture], signature: [required] };
const deleteRules = { token: [required], signature: [required] };

/** The end that is asked for is lowered to the longest life of a token. */
export const createClassicToken = (deps: ClassicDeps): RequestHandler =>
  async function createClassicToken(_req, res) {
    const { exact, plain } = dataOf(res);
    const caller = await verifyCall(deps, callOf(exact), createRules);
    await spendCall(deps, caller);
    const { address, nonce } = caller;
    const token = deps.tokens.issue({ address, nonce, validUntilMs: Number(plain['expiration']) * 1_000 });
    res.set('Cache-Control', 'no-store').json({ token });
  };

/** Somebody else's token is as unknown as one that was never made. */
const whyNotAlive = (verdict: TokenVerdict, { address }: ClassicCaller): string | null => {
  if (verdict.kind === 'unknown' || verdict.claims.address.toLowerCase() !== address.toLowerCase()) return 'Token is invalid.';
  if (verdict.kind === 'expired') return 'Token is expired.';
  return verdict.kind === 'invalidated' ? 'Token is deleted.' : null;
};

/** Ends a token of the caller's own. */
export const deleteClassicToken = (deps: ClassicDeps): RequestHandler =>
  async function deleteClassicToken(_req, res) {
    const { exact, plain } = dataOf(res);
    const caller = await verifyCall(deps, callOf(exact), deleteRules);
    await spendCall(deps, caller);
    const token = textOf(plain['token']) ?? '';
    const problem = whyNotAlive(await deps.tokens.examine(token), caller);
    if (problem !== null) throw new Refusal(400, problem);
    await deps.tokens.invalidate(token, caller.address);
    res.json({ success: 'Token has been deactivated.' });
  };

export const createTokenRoute: ClassicRoute = {
  method: 'get',
  path: '/api/services/createAuthToken',
  id: 'create_auth_token',
  summary: 'A token that stands for signatures until it ends',
  description: 'Signed: `address + nonce`. The token goes into the header `AuthToken`.',
  query: z.object({ address: z.string(), expiration: z.string(), nonce: z.string(), signature: z.string() }),
  answers: { 200: { description: 'The token', contentType: 'application/json', schema: z.strictObject({ token: z.string() }) } },
  refusals: [400, 405],
  refuseHead: true,
  handle: (deps) => [...readRequestData(deps.limits.jsonBytes), createClassicToken(deps)],
};

const endedToken = z.looseObject({ address: z.string(), token: z.string(), nonce: fieldText, signature: z.string() });

export const deleteTokenRoute: ClassicRoute = {
  method: 'delete',
  path: '/api/services/deleteAuthToken',
  id: 'delete_auth_token',
  summary: 'End a token of your own',
  description: 'Signed: `address + nonce`.',
  body: { contentType: 'application/json', schema: endedToken },
  answers: {
    200: {
      description: 'The token is dead',
      contentType: 'application/json',
      schema: z.strictObject({ success: z.literal('Token has been deactivated.') }),
    },
  },
  refusals: [400, 413],
  handle: (deps) => [...readRequestData(deps.limits.jsonBytes), deleteClassicToken(deps)],
};
