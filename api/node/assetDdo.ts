/** `GET /api/aquarius/assets/ddo/{did}`: an asset as this provider sees it; clients ask the node for it. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import type { ApiDeps } from '../ports.ts';
import { Refusal } from '../problems.ts';
import type { Route } from '../route.ts';

const did = /^did:ope?:[0-9a-fA-F]{64}$/;

/** Answers the DDO, or 404 `DDO {did} not found`. */
export const readAsset = ({ assets }: Pick<ApiDeps, 'assets'>): RequestHandler =>
  async function readAsset(req, res) {
    const wanted = String(req.params['did']);
    if (!did.test(wanted)) throw new Refusal(404, `DDO ${wanted.slice(0, 120)} not found`);
    const { ddo } = await assets.resolve(wanted);
    res.json(ddo.document);
  };

export const assetDdoRoute: Route = {
  method: 'get',
  path: '/api/aquarius/assets/ddo/:did',
  id: 'readAsset',
  summary: 'The DDO of an asset',
  params: z.object({ did: z.string() }),
  answers: {
    200: {
      description: 'The DDO as published',
      contentType: 'application/json',
      schema: z.record(z.string(), z.unknown()).meta({ id: 'Ddo' }),
    },
  },
  refusals: [404, 503],
  handle: (deps) => [readAsset(deps)],
};
