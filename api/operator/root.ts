/** `GET /`: what this is. */

import type { RequestHandler } from 'express';
import type { OperatorDeps, OperatorRoute } from './ports.ts';
import { operatorRoot } from './schemas.ts';

/** The version whose calls are served; `/spec` has our own. */
const servedVersion = '1.0.1';

const longest = (values: readonly number[]): string | null => (values.length === 0 ? null : String(Math.max(...values)));

/** Values are texts. */
export const describeOperator = ({ assets, environments }: Pick<OperatorDeps, 'assets' | 'environments'>): RequestHandler =>
  function describeOperator(_req, res) {
    res.json({
      software: 'Operator service',
      version: servedVersion,
      address: assets.providerAddress,
      algoTimeLimit: longest(environments.map(({ maxJobDuration }) => maxJobDuration)),
      storageExpiry: longest(environments.map(({ storageExpiry }) => storageExpiry)),
    });
  };

export const operatorRootRoute: OperatorRoute = {
  method: 'get',
  path: '/',
  id: 'describeOperator',
  summary: 'What this service is',
  answers: { 200: { description: 'This service', contentType: 'application/json', schema: operatorRoot } },
  refusals: [],
  handle: (deps) => [describeOperator(deps)],
};
