/**
 * Loaded first by every process of a test run. A worker of jest's ends when jest has gone, however that ended (it has no
 * handler for signals), instead of working on alone; what the worker started ends with it.
 */

import { setInterval } from 'node:timers';

const lookEveryMs = 250;

if (process.env.JEST_WORKER_ID !== undefined && process.channel !== undefined) {
  const parent = process.ppid;
  // no listener for `disconnect`: it would keep the worker from ending by itself
  setInterval(() => process.ppid === parent || process.exit(1), lookEveryMs).unref();
}
