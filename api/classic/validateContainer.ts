/** `POST /api/services/validateContainer`: whether a container section names all that a job needs. */

import type { RequestHandler } from 'express';
import { Refusal } from '../problems.ts';
import type { ClassicDeps, ClassicRoute } from './ports.ts';
import { dataOf, readRequestData } from './requestData.ts';
import { classicContainer } from './schemas.ts';

const textIn = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Answers the same object, or the code of what is wrong with it: what is no text counts as missing. */
export const validateContainer: RequestHandler = function validateContainer(_req, res) {
  const { plain } = dataOf(res);
  const [entrypoint, image, checksum] = ['entrypoint', 'image', 'checksum'].map((name) => textIn(plain[name]));
  if (!entrypoint || !image || !checksum) throw new Refusal(400, 'missing_entrypoint_image_checksum');
  if (!checksum.startsWith('sha256:')) throw new Refusal(400, 'checksum_prefix');
  res.json(plain);
};

// whatever else was sent is sent back
const checkedContainer = classicContainer.omit({ tag: true }).meta({ id: 'ClassicCheckedContainer' });

export const validateContainerRoute: ClassicRoute = {
  method: 'post',
  path: '/api/services/validateContainer',
  id: 'validateContainer',
  summary: 'Check the container section of an algorithm',
  body: { contentType: 'application/json', schema: classicContainer },
  answers: { 200: { description: 'The same object', contentType: 'application/json', schema: checkedContainer } },
  refusals: [400, 413],
  handle: (deps: ClassicDeps) => [...readRequestData(deps.limits.jsonBytes), validateContainer],
};
