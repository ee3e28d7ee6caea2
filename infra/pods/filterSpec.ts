/** What the containers of filters have in common, whatever runs them. Pure. */

import { isJobFailure, faultOf, JobFailure } from '../../workflows/contract/failures.ts';
import type { PodFilter, PodSpec } from '../../workflows/contract/pod.ts';
import { dockerFailure, type DockerStep } from './dockerFailure.ts';

/** Where the agent has the control folders of the filters, by their number. A filter finds its own at `/.c2d`. */
export const filtersFolder = '/.c2d-filters';

/** Name of a filter within its pod. */
export const filterName = (n: number): string => `filter-${n}`;

/** What the agent has to know; absent without filters. */
export const filterVariables = ({ filters }: Pick<PodSpec, 'filters'>): Readonly<Record<string, string>> =>
  filters.length === 0 ? {} : { C2D_FILTERS: JSON.stringify(filters.map(({ by, image, seconds }) => ({ by, image, seconds }))) };

/** After the agent should have ended a filter that takes too long, its wrapper does. */
const wrapperMarginSeconds = 30;

/** @returns seconds after which a filter ends itself */
export const filterDeadlineSeconds = ({ seconds }: Pick<PodFilter, 'seconds'>): number => seconds + wrapperMarginSeconds;

/** Where things are; its own variables cannot replace these. */
export const filterEnvironment = ({ env, seesInputs }: PodFilter): Record<string, string> => ({
  ...env,
  OUTPUTS: '/data/outputs',
  ...(seesInputs && { VOLUME: '/data', INPUTS: '/data/inputs', LOGS: '/data/logs' }),
});

/** An error of an engine about a filter: whatever it is, the consumer did not choose the image. */
export const filterFailure = (err: unknown, { by }: Pick<PodFilter, 'by'>, step: DockerStep): Error => {
  const failure = dockerFailure(err, step);
  if (!isJobFailure(failure)) return failure;
  const { type, retryAfterSeconds } = failure;
  const message = failure.message
    .replace('the algorithm image', `the image of the filter of ${by}`)
    .replace('the containers of this job', `the filter of ${by}`);
  return new JobFailure(faultOf(type) === 'consumer' ? 'FilterFailed' : type, message, {
    cause: err,
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  });
};
