/** The classic API as an Express application, for a listener of its own. */

import express, { type Express, type RequestHandler } from 'express';
import { healthRoutes } from '../../infra/process/health.ts';
import { withoutReasons } from '../app.ts';
import { docsRoutes } from '../docs.ts';
import { allowBrowsers, protectBrowsers } from '../headers.ts';
import { describeApi, type ApiDescription } from '../openapi.ts';
import { Refusal } from '../problems.ts';
import { nameRequest } from '../requestId.ts';
import type { ClassicDeps } from './ports.ts';
import { NotServed, renderClassicProblems } from './problems.ts';
import { dataOf, readRequestData } from './requestData.ts';
import { classicRoutes } from './routes.ts';
import { classicError } from './schemas.ts';

/** What the description says of this API. */
export const classicDescription: ApiDescription = {
  title: 'durable-c2d, classic Provider API',
  description:
    'Compute-to-Data for clients of a classic Ocean Provider. Data comes in the query, or in a JSON body where there is no query. What is signed differs by call; a nonce is above the last one used by the address.',
  servers: [{ url: '..' }],
  refusal: () => ({ 'application/json': { schema: classicError } }),
};

/** Repeated slashes count as one, and the base path, where there is one, as nothing. */
const tidyPath = (basePath: string): RequestHandler =>
  function tidyPath(req, _res, next) {
    const [path = '', ...query] = req.url.split('?');
    const single = path.replaceAll(/\/{2,}/g, '/');
    const isBelow = basePath !== '' && (single === basePath || single.startsWith(`${basePath}/`));
    const tidy = isBelow ? single.slice(basePath.length) || '/' : single;
    req.url = [tidy, ...query].join('?');
    next();
  };

const refuseHead: RequestHandler = function refuseHead() {
  throw new Refusal(405, 'Method Not Allowed');
};

const refuse = (status: 404 | 405): RequestHandler =>
  function refuseUnserved(_req, res) {
    throw new NotServed(status, dataOf(res).plain);
  };

/** The application: the classic routes, their description and health. Refusals are always JSON. */
export const createClassicApp = (unlimited: ClassicDeps): Express => {
  const deps = unlimited.rates.limitCallers(unlimited);
  const app = express();
  deps.rates.trustProxies(app);
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(nameRequest, protectBrowsers, allowBrowsers, tidyPath(deps.settings.basePath));
  app.use(healthRoutes(withoutReasons(deps)));
  const description = describeApi(classicRoutes, deps.version, classicDescription);
  app.use(docsRoutes(description));
  app.get('/spec', (_req, res) => void res.json(description));
  const readData = readRequestData(deps.limits.jsonBytes);
  for (const route of classicRoutes) {
    if (route.refuseHead === true) app.head(route.path, refuseHead);
    app[route.method](route.path, deps.metrics.measure(`classic.${route.id}`), deps.load.admit, deps.rates.byIp, ...route.handle(deps));
  }
  for (const path of new Set(classicRoutes.map((route) => route.path))) app.all(path, ...readData, refuse(405));
  app.use(...readData, refuse(404));
  app.use(renderClassicProblems(deps.logger));
  return app;
};
