/** All calls of the classic API. */

import { classicDownloadRoute, classicInitializeRoute } from './access.ts';
import { createTokenRoute, deleteTokenRoute } from './authTokens.ts';
import { classicEnvironmentsRoute } from './computeEnvironments.ts';
import { classicResultRoute } from './computeResult.ts';
import { classicStatusRoute } from './computeStatus.ts';
import { classicDecryptRoute } from './decrypt.ts';
import { classicEncryptRoute } from './encrypt.ts';
import { classicFileinfoRoute } from './fileinfo.ts';
import { initializeClassicRoute } from './initializeCompute.ts';
import { classicNonceRoute } from './nonce.ts';
import type { ClassicRoute } from './ports.ts';
import { classicRootRoute } from './root.ts';
import { startClassicRoute } from './startCompute.ts';
import { deleteClassicRoute, stopClassicRoute } from './stopCompute.ts';
import { validateContainerRoute } from './validateContainer.ts';

/** In the order of the description. */
export const classicRoutes: readonly ClassicRoute[] = [
  classicRootRoute,
  classicNonceRoute,
  classicEncryptRoute,
  classicDecryptRoute,
  classicFileinfoRoute,
  classicInitializeRoute,
  classicDownloadRoute,
  classicEnvironmentsRoute,
  initializeClassicRoute,
  startClassicRoute,
  classicStatusRoute,
  stopClassicRoute,
  deleteClassicRoute,
  classicResultRoute,
  validateContainerRoute,
  createTokenRoute,
  deleteTokenRoute,
];
