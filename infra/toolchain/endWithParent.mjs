/**
 * Loaded first by every process of a test run. A worker of jest's ends when jest has gone, however that ended (it has no
 * handler for signals), instead of working on alone; what the worker started ends with it.
 */

if (process.env.JEST_WORKER_ID !== undefined && process.channel !== undefined) process.on('disconnect', () => process.exit(1));
