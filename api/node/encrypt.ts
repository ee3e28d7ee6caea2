/** `POST /api/services/encrypt`: seals a file list so that only this provider can read it. */

import express, { type RequestHandler } from 'express';
import { z } from 'zod';
import { isAbsent, spendNonce, tokenIn, verifyCaller, type Caller } from '../authentication.ts';
import type { ApiDeps } from '../ports.ts';
import { Refusal } from '../problems.ts';
import type { Route } from '../route.ts';
import { olderMessages, onlyIf } from './olderMessages.ts';

type EncryptDeps = Pick<ApiDeps, 'assets' | 'ledger' | 'tokens' | 'limits' | 'acceptsOlderMessages'>;

/** The body is read only for a good signature (clients before 5.1, where they are accepted, do not sign); the nonce is spent only for a body that could be read. */
export const encryptBytes = (deps: EncryptDeps): readonly RequestHandler[] => [
  async function verifySender(req, res, next) {
    const { consumerAddress, nonce, signature, chainId } = req.query;
    const authorization = req.get('authorization');
    const isUnsigned = [consumerAddress, signature].every(isAbsent) && tokenIn(authorization) === null;
    if (!(isUnsigned && deps.acceptsOlderMessages)) {
      const otherMessages = onlyIf(deps.acceptsOlderMessages, olderMessages.encrypt());
      const claim = { consumerAddress, nonce, signature, chainId, authorization, otherMessages };
      res.locals['caller'] = await verifyCaller(deps, claim, 'encrypt');
    }
    next();
  },
  express.raw({ type: () => true, limit: deps.limits.encryptBytes }),
  async function encryptBytes(req, res) {
    const body: unknown = req.body;
    if (!Buffer.isBuffer(body) || body.length === 0) throw new Refusal(400, 'Missing required body');
    const caller = res.locals['caller'] as Caller | undefined;
    if (caller !== undefined) await spendNonce(deps, caller);
    res.type('text/plain').send(deps.assets.encrypt(body));
  },
];

export const encryptRoute: Route = {
  method: 'post',
  path: '/api/services/encrypt',
  id: 'encrypt',
  summary: 'Encrypt bytes to the key of this provider',
  description: 'Signed: `consumerAddress + nonce + "encrypt"`.',
  query: z.object({ consumerAddress: z.string(), nonce: z.string(), signature: z.string(), chainId: z.string().optional() }),
  body: { contentType: 'application/octet-stream', schema: z.string().meta({ format: 'binary' }) },
  answers: {
    200: { description: 'ECIES ciphertext as hex', contentType: 'text/plain', schema: z.string().regex(/^0x[0-9a-f]+$/) },
  },
  refusals: [400, 401, 413],
  handle: (deps) => encryptBytes(deps),
};
