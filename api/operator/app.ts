/** The operator-service API as an Express application, for a listener that only Providers and operators reach. */

import express, { type Express, type RequestHandler } from 'express';
import { healthRoutes } from '../../infra/process/health.ts';
import { withoutReasons } from '../app.ts';
import { docsRoutes } from '../docs.ts';
import { protectBrowsers } from '../headers.ts';
import { describeApi, type ApiDescription } from '../openapi.ts';
import { Refusal } from '../problems.ts';
import { nameRequest } from '../requestId.ts';
import type { OperatorDeps } from './ports.ts';
import { renderOperatorProblems } from './problems.ts';
import { operatorRoutes } from './routes.ts';
import { operatorError } from './schemas.ts';

/** What the description says of this API. */
export const operatorDescription: ApiDescription = {
  title: 'durable-c2d, operator-service API',
  description:
    'What a legacy Ocean Provider asks of its operator-service. Data comes in the query, or in a JSON body where there is no query. The Provider signs; a nonce is above the last one that it used.',
  servers: [{ url: '..' }],
  refusal: () => ({ 'application/json': { schema: operatorError } }),
};

const refuseMethod: RequestHandler = function refuseMethod() {
  throw new Refusal(405, 'Method Not Allowed');
};

const refuseUnknown: RequestHandler = function refuseUnknown() {
  throw new Refusal(404, 'Not found: /spec describes what is served here');
};

/** The application. Callers are few and known, so nothing here counts requests by address. */
export const createOperatorApp = (deps: OperatorDeps): Express => {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(nameRequest, protectBrowsers);
  app.use(healthRoutes(withoutReasons(deps)));
  const description = describeApi(operatorRoutes, deps.version, operatorDescription);
  app.use(docsRoutes(description));
  app.get('/spec', (_req, res) => void res.json(description));
  app.get('/api/v1/docs', (_req, res) => res.redirect('../docs'));
  for (const route of operatorRoutes) {
    if (route.refuseHead === true) app.head(route.path, refuseMethod);
    app[route.method](route.path, deps.metrics.measure(`operator.${route.id}`), deps.load.admit, ...route.handle(deps));
  }
  for (const path of new Set(operatorRoutes.map((route) => route.path))) app.all(path, refuseMethod);
  app.use(refuseUnknown);
  app.use(renderOperatorProblems(deps.logger));
  return app;
};
