/** `POST /api/services/fileInfo`: whether files are there, and how large. Unsigned; hands no content out. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import { isAbsent } from '../authentication.ts';
import { readJson, requireJsonObject } from '../body.ts';
import { renderFileFacts } from '../fileFacts.ts';
import { isJsonObject } from '../losslessJson.ts';
import type { ApiDeps, FileFacts, FilesQuestion } from '../ports.ts';
import { Refusal } from '../problems.ts';
import type { Route } from '../route.ts';
import { readFileIndex } from './accessQuery.ts';
import { identifier } from './schemas.ts';

const input = z
  .looseObject({
    did: identifier.nullish(),
    serviceId: z.union([identifier, z.number().int()]).nullish(),
    fileIndex: z.union([z.number(), z.string()]).nullish(),
    checksum: z.boolean().nullish(),
    userdata: z.unknown().optional(),
    type: z.string().nullish(),
  })
  .meta({ id: 'FileInfoRequest', description: 'A service by `did` and `serviceId`, or a file object (`type`, `url`, …)' });

const fileInfo = z
  .strictObject({
    valid: z.boolean(),
    contentLength: z.string().optional().meta({ description: 'bytes; absent when the source does not say' }),
    contentType: z.string().optional(),
    checksum: z.string().optional().meta({ description: 'sha256; absent for files over 5 MiB' }),
    checksumType: z.literal('sha256').optional(),
    name: z.string(),
    type: z.string(),
    index: z.number().int(),
  })
  .meta({ id: 'FileInfo' });

const readQuestion = (body: Readonly<Record<string, unknown>>): FilesQuestion => {
  const { did, serviceId, fileIndex, checksum, userdata } = input.parse(body);
  const rest = { checksum: checksum ?? false, userdata: userdata ?? null };
  if (isAbsent(did)) {
    if (isJsonObject(body['file'])) return { fileObject: body['file'], ...rest };
    if (isAbsent(body['type'])) throw new Refusal(400, 'Missing did: name a did and a serviceId, or send a file object with its type');
    return { fileObject: body, ...rest };
  }
  if (isAbsent(serviceId)) throw new Refusal(400, 'Missing serviceId');
  return { reference: { documentId: String(did), serviceId: String(serviceId) }, fileIndex: readFileIndex(fileIndex), ...rest };
};

const render = (facts: FileFacts): z.output<typeof fileInfo> => {
  const { index, valid, type, name } = facts;
  return { index, valid, type, name, ...renderFileFacts(facts) };
};

/** Answers one element a file; a file that cannot be read is not valid, which is no error. */
export const describeFiles = ({ assets }: Pick<ApiDeps, 'assets'>): RequestHandler =>
  async function describeFiles(req, res) {
    const facts = await assets.describeFiles(readQuestion(requireJsonObject(req).plain));
    res.set('Cache-Control', 'no-store').json(facts.map(render));
  };

export const fileInfoRoute: Route = {
  method: 'post',
  path: '/api/services/fileInfo',
  id: 'describeFiles',
  summary: 'Size, type and checksum of the files of a service, or of a file object',
  body: { contentType: 'application/json', schema: input },
  answers: { 200: { description: 'One element a file', contentType: 'application/json', schema: z.array(fileInfo) } },
  refusals: [400, 404, 413, 503],
  handle: (deps) => [...readJson(deps.limits.jsonBytes), describeFiles(deps)],
};
