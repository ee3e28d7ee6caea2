/** `POST /api/services/encrypt`: seals a file list so that only this provider can read it. Unsigned. */

import express, { type RequestHandler } from 'express';
import { z } from 'zod';
import { Refusal } from '../problems.ts';
import type { ClassicDeps, ClassicRoute } from './ports.ts';

/** The body is read only for a request that can be served. */
export const encryptClassic = ({
  assets,
  chains,
  limits,
}: Pick<ClassicDeps, 'assets' | 'chains' | 'limits'>): readonly RequestHandler[] => [
  function requireEncryptable(req, _res, next) {
    if (req.get('content-type') !== 'application/octet-stream') {
      throw new Refusal(400, 'Invalid request content type: should be application/octet-stream');
    }
    const { chainId } = req.query;
    if (typeof chainId !== 'string' || chainId === '') throw new Refusal(400, 'Missing chainId query parameter.');
    // a chain that is not served has no key
    if (!chains.some((chain) => String(chain.chainId) === chainId)) throw new Refusal(400, 'Failed to encrypt.');
    next();
  },
  express.raw({ type: () => true, limit: limits.encryptBytes }),
  function encryptClassic(req, res) {
    const body: unknown = req.body;
    res
      .status(201)
      .type('text/plain')
      .send(assets.encrypt(Buffer.isBuffer(body) ? body : Buffer.alloc(0)));
  },
];

export const classicEncryptRoute: ClassicRoute = {
  method: 'post',
  path: '/api/services/encrypt',
  id: 'encrypt',
  summary: 'Encrypt bytes to the key of this provider',
  query: z.object({ chainId: z.string() }),
  body: { contentType: 'application/octet-stream', schema: z.string().meta({ format: 'binary' }) },
  answers: {
    201: { description: 'ECIES ciphertext as hex', contentType: 'text/plain', schema: z.string().regex(/^0x[0-9a-f]+$/) },
  },
  refusals: [400, 413],
  handle: (deps) => encryptClassic(deps),
};
