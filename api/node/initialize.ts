/** `GET /api/services/initialize`: what to order to download a file of an access service. Unsigned. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import { badAddressText, isAddress } from '../authentication.ts';
import type { ApiDeps } from '../ports.ts';
import { Refusal } from '../problems.ts';
import type { Route } from '../route.ts';
import { readFileIndex, requireTexts } from './accessQuery.ts';
import { providerFee } from './schemas.ts';

/** Everything that would refuse the download, except the order, refuses here already, so that nobody pays for nothing. */
export const initializeAccess = ({ assets, ledger }: Pick<ApiDeps, 'assets' | 'ledger'>): RequestHandler =>
  async function initializeAccess(req, res) {
    const { documentId, serviceId, consumerAddress } = requireTexts(
      req.query,
      ['documentId', 'serviceId', 'consumerAddress'],
      'initialize',
    );
    if (!isAddress(consumerAddress)) throw new Refusal(400, badAddressText);
    const fileIndex = readFileIndex(req.query['fileIndex']);
    const quote = await assets.quoteAccess({ reference: { documentId, serviceId }, consumerAddress, fileIndex });
    const nonce = (await ledger.nonceOf(consumerAddress.toLowerCase())) ?? '0';
    res.set('Cache-Control', 'no-store').json({ ...quote, nonce });
  };

export const initializeRoute: Route = {
  method: 'get',
  path: '/api/services/initialize',
  id: 'initializeAccess',
  summary: 'What to order before a download',
  query: z.object({
    documentId: z.string(),
    serviceId: z.string(),
    consumerAddress: z.string(),
    fileIndex: z.string().optional(),
    userdata: z.string().optional(),
    environment: z.string().optional(),
    validUntil: z.string().optional(),
  }),
  answers: {
    200: {
      description: 'Datatoken and provider fee',
      contentType: 'application/json',
      schema: z
        .strictObject({ providerFee, datatoken: z.string(), nonce: z.string(), computeAddress: z.string() })
        .meta({ id: 'InitializeAnswer' }),
    },
  },
  refusals: [400, 403, 404, 503],
  handle: (deps) => [initializeAccess(deps)],
};
