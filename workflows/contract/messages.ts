/** Updates, signals and queries of the workflows. */

import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Acceptance } from './job.ts';
import type { PlaceAnswer, PlaceRequest, QueueView } from './queue.ts';

/** Waits for the verdict on a job: resolves once the order is validated, fails with the refusal's type and text. */
export const awaitAccepted = defineUpdate<Acceptance>('awaitAccepted');

/** Asks the queue of an environment for places; the answers are in the order of the claims. Safe to repeat. */
export const requestPlaces = defineUpdate<readonly PlaceAnswer[], [PlaceRequest]>('requestPlaces');

/** Tells the queue that a job needs its place, or its turn, no more. Safe to repeat, and for a job that has neither. */
export const releasePlace = defineSignal<[string]>('releasePlace');

/** Tells a job that waits that it has a place now. */
export const placeGranted = defineSignal('placeGranted');

/** Who has a place and who waits, for people who look for a cause; nothing depends on it. */
export const viewQueue = defineQuery<QueueView>('viewQueue');
