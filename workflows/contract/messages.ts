/** Updates, signals and queries of the workflows. */

import { defineUpdate } from '@temporalio/workflow';
import type { Acceptance } from './job.ts';

/** Waits for the verdict on a job: resolves once the order is validated, fails with the refusal's type and text. */
export const awaitAccepted = defineUpdate<Acceptance>('awaitAccepted');
