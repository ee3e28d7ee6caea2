/** Results whose time is over: the same instant and the same words on every surface. */

import type { JobRow } from './ports.ts';

/** True once nobody is shown a job's results and log any more. */
export const isExpired = ({ expiresAtMs }: Pick<JobRow, 'expiresAtMs'>): boolean => expiresAtMs !== null && expiresAtMs <= Date.now();

/** Why there is nothing to read. */
export const expiryText = ({ jobId, expiresAtMs }: Pick<JobRow, 'jobId' | 'expiresAtMs'>): string =>
  `Results of job ${jobId} were kept until ${new Date(expiresAtMs ?? 0).toISOString()} and are gone`;
