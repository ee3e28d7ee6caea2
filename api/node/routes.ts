/** All calls of the node-style API. */

import type { Route } from '../route.ts';
import { assetDdoRoute } from './assetDdo.ts';
import { createTokenRoute, invalidateTokenRoute } from './authToken.ts';
import { computeEnvironmentsRoute } from './computeEnvironments.ts';
import { computeResultRoute } from './computeResult.ts';
import { computeStatusRoute } from './computeStatus.ts';
import { computeStreamableLogsRoute } from './computeStreamableLogs.ts';
import { decryptRoute } from './decrypt.ts';
import { deleteComputeRoute } from './deleteCompute.ts';
import { downloadRoute } from './download.ts';
import { encryptRoute } from './encrypt.ts';
import { fileInfoRoute } from './fileInfo.ts';
import { initializeRoute } from './initialize.ts';
import { initializeComputeRoute } from './initializeCompute.ts';
import { nonceRoute } from './nonce.ts';
import { rootRoute } from './root.ts';
import { freeComputeRoute, startComputeRoute } from './startCompute.ts';
import { stopComputeRoute } from './stopCompute.ts';

/** In the order of the description. */
export const nodeRoutes: readonly Route[] = [
  rootRoute,
  nonceRoute,
  computeEnvironmentsRoute,
  initializeComputeRoute,
  startComputeRoute,
  freeComputeRoute,
  computeStatusRoute,
  stopComputeRoute,
  deleteComputeRoute,
  computeResultRoute,
  computeStreamableLogsRoute,
  fileInfoRoute,
  initializeRoute,
  downloadRoute,
  encryptRoute,
  decryptRoute,
  createTokenRoute,
  invalidateTokenRoute,
  assetDdoRoute,
];
