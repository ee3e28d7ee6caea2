/** A cluster of a test file's own: for tests that break its servers. */

import { startCluster, type Cluster } from '../../infra/toolchain/cluster/cluster.ts';

const startPatienceMs = 300_000;
const endPatienceMs = 120_000;

/**
 * A cluster with a node and nothing on it. Call it at the top of a file.
 * @param name what it is for; the process's number makes it unique
 * @returns a function that gives the cluster, inside tests
 */
export const useOwnCluster = (name: string): (() => Cluster) => {
  let cluster: Cluster | undefined;
  beforeAll(async () => {
    cluster = await startCluster({ name: `${name}-${process.pid}` });
  }, startPatienceMs);
  afterAll(async () => {
    await cluster?.close();
  }, endPatienceMs);
  return () => {
    if (cluster === undefined) throw new Error('the cluster is there inside tests only');
    return cluster;
  };
};
