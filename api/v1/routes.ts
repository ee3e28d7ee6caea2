/** All calls of the REST surface. */

import type { Route } from '../route.ts';
import { checkJobRoute } from './checks.ts';
import { readEnvironmentsRoute } from './environments.ts';
import { streamEventsRoute } from './jobEvents.ts';
import { readLogRoute } from './jobLog.ts';
import { readManifestRoute } from './jobManifest.ts';
import { readResultRoute, readResultsRoute } from './jobResults.ts';
import { listJobsRoute } from './listJobs.ts';
import { readJobRoute } from './readJob.ts';
import { dropResultsRoute, keepResultsRoute } from './retention.ts';
import { startJobRoute } from './startJob.ts';
import { stopJobRoute } from './stopJob.ts';

/** In the order of the description. */
export const v1Routes: readonly Route[] = [
  readEnvironmentsRoute,
  checkJobRoute,
  startJobRoute,
  listJobsRoute,
  readJobRoute,
  streamEventsRoute,
  readLogRoute,
  readResultsRoute,
  readResultRoute,
  readManifestRoute,
  keepResultsRoute,
  dropResultsRoute,
  stopJobRoute,
];
