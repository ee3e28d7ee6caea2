/** Names each request, so that a consumer's report and the operator's log meet. */

import { randomUUID } from 'node:crypto';
import type { RequestHandler } from 'express';

const acceptable = /^[A-Za-z0-9._-]{1,64}$/;

/** Sets `X-Request-Id` on every answer: the client's own if it is harmless, a fresh one otherwise. */
export const nameRequest: RequestHandler = function nameRequest(req, res, next) {
  const given = req.get('x-request-id');
  const requestId = given !== undefined && acceptable.test(given) ? given : randomUUID();
  res.locals['requestId'] = requestId;
  res.set('X-Request-Id', requestId);
  next();
};
