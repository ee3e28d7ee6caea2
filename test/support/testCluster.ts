/** The cluster on which this run's stacks have their pods, if they have them on one. */

import { connectCluster, type Cluster } from '../../infra/toolchain/cluster/cluster.ts';
import type { StackOptions } from '../../infra/toolchain/stack.ts';
import type { PodsPlace } from '../../infra/toolchain/stackPods.ts';

/** What runs the execution pods of this run's stacks. */
export const podsOfThisRun: PodsPlace['kind'] = process.env.C2D_TEST_RUNTIME === 'kubernetes' ? 'kubernetes' : 'docker';

/** The cluster of this run. @throws Error if the run has none */
export const clusterOfThisRun = async (): Promise<Cluster> => {
  const name = process.env.C2D_TEST_CLUSTER;
  if (name === undefined || name === '') throw new Error('C2D_TEST_CLUSTER names no cluster: run the tests with npm run test:kubernetes');
  return connectCluster(name);
};

/** Address of the cluster's own name server. */
export const nameServerOfThisRun = async (): Promise<string> =>
  (await clusterOfThisRun()).kubectl([
    '-n',
    'kube-system',
    'get',
    'service',
    '-l',
    'k8s-app=kube-dns',
    '-o',
    'jsonpath={.items[0].spec.clusterIP}',
  ]);

/** Whether orchestrators of this run watch the pods of the cluster: nothing may depend on it. */
export const isWatching = process.env.C2D_TEST_POD_WATCH !== 'false';

/** What stacks of this run are started with: nothing unless the run is for Kubernetes. */
export const runtimeOfThisRun = async (): Promise<Pick<StackOptions, 'cluster' | 'env'>> =>
  podsOfThisRun === 'kubernetes' ? { cluster: await clusterOfThisRun(), env: { C2D_POD_WATCH: String(isWatching) } } : {};
