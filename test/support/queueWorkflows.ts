/** Today's workflows, and a job that does nothing but wait for its place: for tests of a queue with many jobs. */

import { condition, defineQuery, setHandler } from '@temporalio/workflow';
import { placeGranted } from '../../workflows/contract/messages.ts';

export * from '../../workflows/index.ts';

/** How often the job was told that it has a place. */
export const countGrants = defineQuery<number>('countGrants');

/** Goes on until it is ended from outside. */
export async function patientJob(): Promise<void> {
  let grants = 0;
  setHandler(placeGranted, () => void (grants += 1));
  setHandler(countGrants, () => grants);
  await condition(() => false);
}
