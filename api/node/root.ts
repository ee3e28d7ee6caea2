/** `GET /`: where everything is. Clients find each URL by these names, exact case. */

import { concat, encodeBase58 } from 'ethers';
import type { RequestHandler } from 'express';
import type { ApiDeps } from '../ports.ts';
import type { Route } from '../route.ts';
import { rootAnswer } from './schemas.ts';

/** Service names of the node-style API that this release serves, and where. */
export const serviceEndpoints = {
  computeEnvironments: ['GET', '/api/services/computeEnvironments'],
  computeResult: ['GET', '/api/services/computeResult'],
  initializeCompute: ['POST', '/api/services/initializeCompute'],
  computeStart: ['POST', '/api/services/compute'],
  freeCompute: ['POST', '/api/services/freeCompute'],
  computeStreamableLogs: ['GET', '/api/services/computeStreamableLogs'],
  computeStatus: ['GET', '/api/services/compute'],
  computeStop: ['PUT', '/api/services/compute'],
  computeDelete: ['DELETE', '/api/services/compute'],
  fileInfo: ['POST', '/api/services/fileInfo'],
  download: ['GET', '/api/services/download'],
  encrypt: ['POST', '/api/services/encrypt'],
  decrypt: ['POST', '/api/services/decrypt'],
  initialize: ['GET', '/api/services/initialize'],
  nonce: ['GET', '/api/services/nonce'],
  generateAuthToken: ['POST', '/api/services/auth/token'],
  invalidateAuthToken: ['POST', '/api/services/auth/token/invalidate'],
} as const;

/** A peer id of libp2p: the identity multihash of the protobuf-encoded secp256k1 key, in base 58 (`16Uiu2…`). */
const nodeIdOf = (publicKey: string): string => encodeBase58(concat(['0x0025', '0x08021221', publicKey]));

/** Discovery. The address base is the one that the client already has: paths only. */
export const describeService = ({ assets, chains, version }: Pick<ApiDeps, 'assets' | 'chains' | 'version'>): RequestHandler =>
  function describeService(_req, res) {
    res.json({
      nodeId: nodeIdOf(assets.nodePublicKey),
      chainIds: chains.map(({ chainId }) => String(chainId)),
      providerAddress: assets.providerAddress,
      nodePublicKey: assets.nodePublicKey,
      serviceEndpoints,
      software: 'durable-c2d',
      version,
    });
  };

export const rootRoute: Route = {
  method: 'get',
  path: '/',
  id: 'describeService',
  summary: 'Discovery: addresses, chains and the paths of all calls',
  answers: { 200: { description: 'This provider', contentType: 'application/json', schema: rootAnswer } },
  refusals: [],
  handle: (deps) => [describeService(deps)],
};
