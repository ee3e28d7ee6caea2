/** The cluster on which this run's stacks have their pods, if they have them on one. */

import type { StackOptions } from '../../infra/toolchain/stack.ts';

/** What stacks of this run are started with: nothing unless `C2D_TEST_RUNTIME` names Kubernetes. */
export const runtimeOfThisRun = async (): Promise<Pick<StackOptions, 'cluster'>> => {
  if (process.env.C2D_TEST_RUNTIME !== 'kubernetes') return {};
  throw new Error('C2D_TEST_CLUSTER names no cluster: run the tests with npm run test:kubernetes');
};
