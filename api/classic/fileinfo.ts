/** `POST /api/services/fileinfo`: whether files are there, and how large. Unsigned; hands no content out. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import { renderFileFacts } from '../fileFacts.ts';
import type { FileFacts } from '../ports.ts';
import { isEmpty, matching, oneOf, requireFields, requiredIf, requiredWithout } from './fields.ts';
import type { ClassicDeps, ClassicRoute } from './ports.ts';
import { dataOf, readRequestData, textOf } from './requestData.ts';
import { classicFileFacts, classicFileQuestion } from './schemas.ts';

const rules = {
  type: [requiredWithout('did'), oneOf('url', 'ipfs', 'arweave', 'graphql', 'smartcontract')],
  did: [requiredWithout('type'), matching(/^did:op/)],
  serviceId: [requiredWithout('type')],
  url: [requiredIf('type', 'url')],
  hash: [requiredIf('type', 'ipfs')],
  transactionId: [requiredIf('type', 'arweave')],
};

const isAsked = (checksum: unknown): boolean => !isEmpty(checksum) && checksum !== false && !/^(0|false)$/i.test(String(checksum));

const render = (facts: FileFacts): z.output<typeof classicFileFacts> => {
  const { index, valid, type, name } = facts;
  return { index, valid, type, filename: name, ...renderFileFacts(facts) };
};

/** One element a file; a file that cannot be read is not valid, which is no error. */
export const describeClassicFiles = ({ orders }: Pick<ClassicDeps, 'orders'>): RequestHandler =>
  async function describeClassicFiles(_req, res) {
    const { plain } = dataOf(res);
    requireFields(rules, plain);
    const { did, serviceId, checksum, userdata } = plain;
    const options = { checksum: isAsked(checksum), userdata: userdata ?? null };
    const reference = { documentId: textOf(did) ?? '', serviceId: textOf(serviceId) };
    const facts = isEmpty(did)
      ? await orders.access.describeObject(plain, options)
      : await orders.access.describeService(reference, options);
    res.set('Cache-Control', 'no-store').json(facts.map(render));
  };

export const classicFileinfoRoute: ClassicRoute = {
  method: 'post',
  path: '/api/services/fileinfo',
  id: 'fileinfo',
  summary: 'Size, type and checksum of the files of a service, or of a file object',
  body: { contentType: 'application/json', schema: classicFileQuestion },
  answers: { 200: { description: 'One element a file', contentType: 'application/json', schema: z.array(classicFileFacts) } },
  refusals: [400, 413, 503],
  handle: (deps) => [...readRequestData(deps.limits.jsonBytes), describeClassicFiles(deps)],
};
