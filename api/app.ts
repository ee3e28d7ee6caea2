/** The API as an Express application. Nothing happens before a request arrives. */

import express, { type Express, type RequestHandler } from 'express';
import { healthRoutes, type HealthCheck } from '../infra/process/health.ts';
import { docsRoutes } from './docs.ts';
import { allowBrowsers, protectBrowsers } from './headers.ts';
import { nodeRoutes } from './node/routes.ts';
import { describeApi } from './openapi.ts';
import type { ApiDeps } from './ports.ts';
import { Refusal, renderProblems, setErrorShape } from './problems.ts';
import { nameRequest } from './requestId.ts';
import type { Route } from './route.ts';
import { renderProblem } from './v1/problem.ts';
import { v1Surface } from './v1/surface.ts';

const refuseMethod =
  (allowed: string): RequestHandler =>
  (_req, _res) => {
    throw new Refusal(405, 'Method Not Allowed', { Allow: allowed });
  };

const refuseUnknown: RequestHandler = function refuseUnknown() {
  throw new Refusal(404, 'Not found: GET / lists what is served here');
};

const shapeErrors = ({ errorShape }: Route): RequestHandler =>
  function shapeErrors(_req, res, next) {
    setErrorShape(res, errorShape ?? 'object');
    next();
  };

/** Consumers may see which dependency is missing, not why: the reason goes to the log. */
export const withoutReasons = ({ health, logger }: Pick<ApiDeps, 'health' | 'logger'>): Record<string, HealthCheck> =>
  Object.fromEntries(
    Object.entries(health).map(([name, check]) => [
      name,
      () =>
        check().catch((err: unknown) => {
          logger.warn({ err, dependency: name }, 'a dependency is not usable');
          throw new Error('not usable');
        }),
    ]),
  );

/** The application: the node-style routes, their description and health. Refusals are always JSON. */
export const createApp = (unlimited: ApiDeps): Express => {
  const deps = unlimited.rates.limitCallers(unlimited);
  const app = express();
  deps.rates.trustProxies(app);
  app.disable('x-powered-by');
  // our answers are written once and read once: hashing each for an ETag is wasted, and results have their own
  app.disable('etag');
  app.use(nameRequest, protectBrowsers, allowBrowsers);
  app.use(healthRoutes(withoutReasons(deps)));
  app.use(docsRoutes(describeApi(nodeRoutes, deps.version)));
  app.use(v1Surface(deps));
  for (const route of nodeRoutes) {
    if (route.refuseHead === true) app.head(route.path, refuseMethod(route.method.toUpperCase()));
    app[route.method](
      route.path,
      deps.metrics.measure(route.id),
      shapeErrors(route),
      deps.load.admit,
      deps.rates.byIp,
      ...route.handle(deps),
    );
  }
  app.use(refuseUnknown);
  app.use('/api/v1', renderProblem(deps.logger));
  app.use(renderProblems(deps.logger));
  return app;
};
