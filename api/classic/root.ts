/** `GET /`: where everything is. Clients find each URL by these names, exact case. */

import type { RequestHandler } from 'express';
import type { ClassicDeps, ClassicRoute } from './ports.ts';
import { classicRoot } from './schemas.ts';

/** Service names of the classic API, and where they are served. */
export const classicEndpoints = {
  computeDelete: ['DELETE', '/api/services/compute'],
  computeEnvironments: ['GET', '/api/services/computeEnvironments'],
  computeResult: ['GET', '/api/services/computeResult'],
  computeStart: ['POST', '/api/services/compute'],
  computeStatus: ['GET', '/api/services/compute'],
  computeStop: ['PUT', '/api/services/compute'],
  create_auth_token: ['GET', '/api/services/createAuthToken'],
  decrypt: ['POST', '/api/services/decrypt'],
  delete_auth_token: ['DELETE', '/api/services/deleteAuthToken'],
  download: ['GET', '/api/services/download'],
  encrypt: ['POST', '/api/services/encrypt'],
  fileinfo: ['POST', '/api/services/fileinfo'],
  initialize: ['GET', '/api/services/initialize'],
  initializeCompute: ['POST', '/api/services/initializeCompute'],
  nonce: ['GET', '/api/services/nonce'],
  validateContainer: ['POST', '/api/services/validateContainer'],
} as const;

/** `providerAddresses` only: ocean.py takes a `providerAddress` beside it for every chain. */
export const describeClassic = ({ assets, chains, version }: Pick<ClassicDeps, 'assets' | 'chains' | 'version'>): RequestHandler =>
  function describeClassic(_req, res) {
    res.json({
      chainIds: chains.map(({ chainId }) => chainId),
      providerAddresses: Object.fromEntries(chains.map(({ chainId }) => [String(chainId), assets.providerAddress])),
      serviceEndpoints: classicEndpoints,
      software: 'Provider',
      version,
    });
  };

export const classicRootRoute: ClassicRoute = {
  method: 'get',
  path: '/',
  id: 'describeProvider',
  summary: 'Discovery: addresses, chains and the paths of all calls',
  answers: { 200: { description: 'This provider', contentType: 'application/json', schema: classicRoot } },
  refusals: [],
  handle: (deps) => [describeClassic(deps)],
};
