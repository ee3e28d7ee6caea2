/** `GET /api/v1/jobs/{id}/manifest`: the signed statement about what a job has published. */

import type { RequestHandler } from 'express';
import { envelopeMediaType } from '../../workflows/contract/manifest.ts';
import { attachmentNamed } from '../contentDisposition.ts';
import type { ApiDeps } from '../ports.ts';
import type { Route } from '../route.ts';
import { addressOf, requireToken, requireViewableJob } from './access.ts';
import { CodedRefusal } from './problem.ts';
import { jobParams } from './readJob.ts';
import { envelope } from './envelope.ts';

/** For the owner and viewers, once the job has ended. */
export const readManifest = ({ ledger, manifests }: Pick<ApiDeps, 'ledger' | 'manifests'>): RequestHandler =>
  async function readManifest(req, res) {
    const row = await requireViewableJob(ledger, req, addressOf(res));
    const manifest = await manifests.manifestOf(row.jobId);
    if (manifest === null) {
      const why = row.finishedAtMs === null ? 'has not ended yet' : 'has published nothing';
      throw new CodedRefusal('NotFound', 404, `There is no manifest: the job ${why}`);
    }
    res.set({ 'Cache-Control': 'private, no-store', 'Content-Disposition': attachmentNamed(`${row.jobId}.manifest.json`) });
    // as bytes: a text would get a charset, which this type does not have
    res.set('Content-Type', envelopeMediaType).send(Buffer.from(JSON.stringify(manifest)));
  };

export const readManifestRoute: Route = {
  method: 'get',
  path: '/api/v1/jobs/:id/manifest',
  id: 'readManifest',
  summary: 'The signed manifest of what a job has published',
  description:
    'A DSSE envelope with an in-toto statement, signed with the key of the provider; it never changes. `c2d verify` checks it without the service.',
  params: jobParams,
  answers: { 200: { description: 'The manifest', contentType: envelopeMediaType, schema: envelope } },
  refusals: [401, 404],
  needsToken: true,
  handle: (deps) => [requireToken(deps), readManifest(deps)],
};
