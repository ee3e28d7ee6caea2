/** A real Kubernetes cluster of one node on this machine, for tests and development. */

import { withLock } from '../cache.ts';
import type { Cluster, ClusterMaker, ClusterOptions } from './contract.ts';
import type { ClusterReport } from './control.ts';
import { kindClusters } from './kind.ts';
import { ownClusters } from './ownClusters.ts';

export type { Cluster, ClusterOptions } from './contract.ts';

/** A cluster of our own if we may make one; who may not needs Docker and kind. `C2D_CLUSTER` overrules. */
const chooseMaker = (): ClusterMaker => {
  const wanted = process.env.C2D_CLUSTER;
  if (wanted !== undefined && wanted !== '' && wanted !== 'own' && wanted !== 'kind')
    throw new RangeError(`C2D_CLUSTER is ${wanted}: set it to own or kind, or unset it`);
  if (wanted === 'kind' || (wanted !== 'own' && process.getuid?.() !== 0)) return kindClusters;
  return ownClusters;
};

/**
 * Starts a cluster of a name that has none; resolves when its node is ready and its name server answers.
 * @throws MissingPart if this machine cannot carry one; Error if there is one of that name already
 */
export const startCluster = (options: ClusterOptions): Promise<Cluster> =>
  withLock(`cluster-${options.name}`, () => chooseMaker().start(options), options.report);

/**
 * A cluster that somebody has started.
 * @throws Error if there is none of that name, or it is not ready
 */
export const connectCluster = async (name: string): Promise<Cluster> => {
  const cluster = await chooseMaker().connect(name);
  if (cluster === undefined) throw new Error(`there is no cluster ${name}: start it with npm run cluster -- up --name ${name}`);
  return cluster;
};

/** What is known about the cluster of that name, undefined if there is none. */
export const inspectCluster = (name: string): Promise<ClusterReport | undefined> => chooseMaker().inspect(name);

/** Takes the cluster of that name down, or what a killed one has left. @returns false if there was nothing */
export const removeCluster = (name: string): Promise<boolean> => chooseMaker().remove(name);
