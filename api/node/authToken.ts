/** `POST /api/services/auth/token` and `…/invalidate`: one signature for many calls. */

import type { Request, RequestHandler } from 'express';
import { z } from 'zod';
import { isAbsent, spendNonce, verifyCaller, type Caller, type Claim } from '../authentication.ts';
import { readJson, requireJsonObject } from '../body.ts';
import type { ApiDeps } from '../ports.ts';
import { Refusal } from '../problems.ts';
import type { Route } from '../route.ts';
import { olderMessages, onlyIf } from './olderMessages.ts';

type AuthDeps = Pick<ApiDeps, 'assets' | 'ledger' | 'tokens' | 'acceptsOlderMessages'>;

const fields = {
  address: z.string(),
  nonce: z.union([z.string(), z.number()]),
  signature: z.string(),
  chainId: z.union([z.string(), z.number()]).nullish(),
};

const createInput = z
  .looseObject({
    ...fields,
    validUntil: z
      .union([z.number(), z.string()])
      .nullish()
      .meta({ description: 'seconds or milliseconds since the epoch; a later end than the service allows is brought forward' }),
  })
  .meta({ id: 'CreateTokenRequest' });

const invalidateInput = z.looseObject({ ...fields, token: z.string() }).meta({ id: 'InvalidateTokenRequest' });

/** Above this a number is too large for seconds: the first such second is in the year 5138. */
const firstMilliseconds = 100_000_000_000;

/** @returns milliseconds since the epoch, or null when no end was asked */
const readEnd = (value: unknown): number | null => {
  if (isAbsent(value)) return null;
  const time = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  if (typeof time !== 'number' || !Number.isFinite(time) || time < 0)
    throw new Refusal(400, 'validUntil is no time in seconds since the epoch');
  return time < firstMilliseconds ? time * 1_000 : time;
};

const requireFields = (body: Readonly<Record<string, unknown>>, names: readonly string[]): void => {
  if (names.some((name) => isAbsent(body[name]))) throw new Refusal(400, 'Missing required parameters');
};

/** The signature counts here, never a token: a token that could make tokens would never end. */
const verifySigner = async (
  deps: AuthDeps,
  req: Request,
  { command, otherMessages }: Pick<Claim, 'otherMessages'> & { readonly command: 'createAuthToken' | 'invalidateAuthToken' },
): Promise<Caller & { readonly nonce: string }> => {
  const { address: consumerAddress, nonce, signature, chainId } = requireJsonObject(req).exact;
  const claim = { consumerAddress, nonce, signature, chainId, authorization: undefined, ...(otherMessages && { otherMessages }) };
  const caller = await verifyCaller(deps, claim, command);
  return { address: caller.address, nonce: caller.nonce ?? '' };
};

/** Answers a token for the signer; the nonce is spent. */
export const createToken = (deps: AuthDeps): RequestHandler =>
  async function createToken(req, res) {
    const { plain } = requireJsonObject(req);
    requireFields(plain, ['address', 'nonce', 'signature']);
    const validUntilMs = readEnd(plain['validUntil']);
    const otherMessages = onlyIf(deps.acceptsOlderMessages, olderMessages.token());
    const caller = await verifySigner(deps, req, { command: 'createAuthToken', otherMessages });
    const token = deps.tokens.issue({ ...caller, validUntilMs });
    await spendNonce(deps, caller);
    res.set('Cache-Control', 'no-store').json({ token });
  };

/** Ends a token of the signer. What every released client signs is address and nonce, without a command. */
export const invalidateToken = (deps: AuthDeps): RequestHandler =>
  async function invalidateToken(req, res) {
    const { plain } = requireJsonObject(req);
    requireFields(plain, ['address', 'nonce', 'signature', 'token']);
    const otherMessages = (address: string, nonce: string) => [{ text: `${address}${nonce}`, hasNonce: true }];
    const caller = await verifySigner(deps, req, { command: 'invalidateAuthToken', otherMessages });
    await spendNonce(deps, caller);
    await deps.tokens.invalidate(String(plain['token']), caller.address);
    res.set('Cache-Control', 'no-store').json({ success: true });
  };

export const createTokenRoute: Route = {
  method: 'post',
  path: '/api/services/auth/token',
  id: 'createAuthToken',
  summary: 'A token that stands for a signature, until it ends or is invalidated',
  description:
    'Signed: `address + nonce + "createAuthToken"`. Send it as `Authorization` (with or without `Bearer`) instead of nonce and signature.',
  body: { contentType: 'application/json', schema: createInput },
  answers: { 200: { description: 'The token', contentType: 'application/json', schema: z.strictObject({ token: z.string() }) } },
  refusals: [400, 401, 413, 503],
  handle: (deps) => [...readJson(deps.limits.jsonBytes), createToken(deps)],
};

export const invalidateTokenRoute: Route = {
  method: 'post',
  path: '/api/services/auth/token/invalidate',
  id: 'invalidateAuthToken',
  summary: 'Ends a token for good',
  description: 'Signed by the address of the token: `address + nonce + "invalidateAuthToken"`, or `address + nonce` alone.',
  body: { contentType: 'application/json', schema: invalidateInput },
  answers: { 200: { description: 'It is dead', contentType: 'application/json', schema: z.strictObject({ success: z.literal(true) }) } },
  refusals: [400, 401, 403, 413, 503],
  handle: (deps) => [...readJson(deps.limits.jsonBytes), invalidateToken(deps)],
};
