/** The cluster on which this run's stacks have their pods, if they have them on one. */

import { connectCluster, type Cluster } from '../../infra/toolchain/cluster/cluster.ts';
import type { StackOptions } from '../../infra/toolchain/stack.ts';

/** The cluster of this run. @throws Error if the run has none */
export const clusterOfThisRun = async (): Promise<Cluster> => {
  const name = process.env.C2D_TEST_CLUSTER;
  if (name === undefined || name === '') throw new Error('C2D_TEST_CLUSTER names no cluster: run the tests with npm run test:kubernetes');
  return connectCluster(name);
};

/** What stacks of this run are started with: nothing unless the run is for Kubernetes. */
export const runtimeOfThisRun = async (): Promise<Pick<StackOptions, 'cluster'>> =>
  process.env.C2D_TEST_RUNTIME === 'kubernetes' ? { cluster: await clusterOfThisRun() } : {};
