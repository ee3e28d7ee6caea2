/** All calls of the operator-service API. */

import { infoRoute, initializeRoute, listRoute, logsRoute, runningJobsRoute } from './administration.ts';
import { deleteOperatorRoute, operatorStatusRoute, stopOperatorRoute } from './computeStatus.ts';
import { operatorEnvironmentsRoute } from './environments.ts';
import { operatorResultRoute } from './getResult.ts';
import type { OperatorRoute } from './ports.ts';
import { operatorRootRoute } from './root.ts';
import { startOperatorRoute } from './startCompute.ts';

/** In the order of the description. */
export const operatorRoutes: readonly OperatorRoute[] = [
  operatorRootRoute,
  startOperatorRoute,
  operatorStatusRoute,
  stopOperatorRoute,
  deleteOperatorRoute,
  operatorResultRoute,
  operatorEnvironmentsRoute,
  runningJobsRoute,
  initializeRoute,
  infoRoute,
  listRoute,
  logsRoute,
];
