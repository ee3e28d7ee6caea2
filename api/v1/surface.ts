/** The REST surface as one router: its routes, their description, and errors in its own form. */

import express, { type RequestHandler, type Router } from 'express';
import { docsRoutes } from '../docs.ts';
import { describeApi, type ApiDescription } from '../openapi.ts';
import type { ApiDeps } from '../ports.ts';
import { CodedRefusal } from './problem.ts';
import { v1Routes } from './routes.ts';
import { problem } from './schemas.ts';

const base = '/api/v1';

/** What the description says of the surface as a whole. */
export const v1Description: ApiDescription = {
  title: 'durable-c2d, REST API',
  description:
    'Compute-to-Data jobs without a client library. `POST /api/services/auth/token` gives a token for a signature; it is sent as `Authorization: Bearer …`. Errors are problems (RFC 9457) with a code, a cause and a hint.',
  servers: [{ url: '../..' }],
  refusal: () => ({ 'application/problem+json': { schema: problem } }),
};

const refuseMethod = (allowed: readonly string[]): RequestHandler =>
  function refuseMethod(req) {
    throw new CodedRefusal('MethodNotAllowed', 405, `${req.method} is not possible here`, { Allow: allowed.join(', ') });
  };

const refuseUnknown: RequestHandler = function refuseUnknown() {
  throw new CodedRefusal('NotFound', 404, 'Nothing is served under this path: /api/v1/openapi.json describes what is');
};

const methodsOf = (path: string): readonly string[] =>
  v1Routes
    .filter((route) => route.path === path)
    .flatMap(({ method, refuseHead }) => (method === 'get' && refuseHead !== true ? ['GET', 'HEAD'] : [method.toUpperCase()]));

/** Everything below `/api/v1`. */
export const v1Surface = (deps: ApiDeps): Router => {
  const router = express.Router({ strict: true });
  router.use(docsRoutes(describeApi(v1Routes, deps.version, v1Description), base));
  for (const route of v1Routes) {
    if (route.refuseHead === true) router.head(route.path, refuseMethod(methodsOf(route.path)));
    router[route.method](route.path, deps.metrics.measure(route.id), deps.load.admit, deps.rates.byIp, ...route.handle(deps));
  }
  for (const path of new Set(v1Routes.map((route) => route.path))) router.all(path, refuseMethod(methodsOf(path)));
  router.use(base, refuseUnknown);
  return router;
};
