/** Compute environments as the node-style API shows them. */

import type { ComputeEnvironment, EnvironmentLoad, OfferedChain } from '../ports.ts';
import type { ComputeEnvironmentAnswer } from './schemas.ts';

/** Resources that every environment has; amounts in cores and GiB. */
export const resourceIds = ['cpu', 'ram', 'disk'] as const;

/** What an environment's answer is made of. */
export interface EnvironmentViewInput {
  readonly environment: ComputeEnvironment;
  readonly loads: readonly EnvironmentLoad[];
  readonly chains: readonly OfferedChain[];
  /** datatoken consumer and payee */
  readonly consumerAddress: string;
}

type Access = ComputeEnvironment['access'];

const renderAccess = (access: Access): ComputeEnvironmentAnswer['access'] => ({
  addresses: [...access.addresses],
  accessLists: access.accessLists.map((list) => ({ ...list })),
});

/** Chains on which an environment takes orders: its own list, or every configured one. */
export const chainsOf = (environment: ComputeEnvironment, chains: readonly OfferedChain[]): readonly OfferedChain[] =>
  environment.chainIds.length === 0 ? chains : chains.filter(({ chainId }) => environment.chainIds.includes(chainId));

const loadOf = (loads: readonly EnvironmentLoad[], environmentId: string, isFree: boolean): EnvironmentLoad =>
  loads.find((load) => load.environmentId === environmentId && load.isFree === isFree) ?? { environmentId, isFree, running: 0, queued: 0 };

const renderResources = (environment: ComputeEnvironment, loads: readonly EnvironmentLoad[]): ComputeEnvironmentAnswer['resources'] =>
  resourceIds.map((id) => {
    const { total, max, min } = environment.resources[id];
    return { id, type: id, total, max, min, inUse: loads.reduce((sum, load) => sum + (load.inUse?.[id] ?? 0), 0) };
  });

/**
 * Node-style Provider API §4. Waiting times are upper bounds in seconds, 0 when nobody waits or runs; `free` is
 * present only if free jobs are offered; prices are 0 until an environment names others.
 */
export const renderEnvironment = ({ environment, loads, chains, consumerAddress }: EnvironmentViewInput): ComputeEnvironmentAnswer => {
  const paid = loadOf(loads, environment.id, false);
  const free = loadOf(loads, environment.id, true);
  const resources = renderResources(environment, [paid, free]);
  const prices = resourceIds.map((id) => ({ id, price: 0 }));
  const freeLimit = environment.free?.maxJobDuration ?? 0;
  return {
    id: environment.id,
    description: environment.description,
    consumerAddress,
    runningJobs: paid.running,
    runningfreeJobs: free.running,
    queuedJobs: paid.queued,
    queuedFreeJobs: free.queued,
    queMaxWaitTime: paid.queued > 0 ? environment.maxQueueTime : 0,
    queMaxWaitTimeFree: free.queued > 0 ? environment.maxQueueTime : 0,
    runMaxWaitTime: paid.running > 0 ? environment.maxJobDuration : 0,
    runMaxWaitTimeFree: free.running > 0 ? freeLimit : 0,
    platform: { architecture: environment.platform.architecture, os: environment.platform.os },
    access: renderAccess(environment.access),
    fees: Object.fromEntries(
      chainsOf(environment, chains).flatMap(({ chainId, feeToken }) =>
        feeToken === null ? [] : [[String(chainId), [{ feeToken, prices }]]],
      ),
    ),
    storageExpiry: environment.storageExpiry,
    minJobDuration: environment.minJobDuration,
    maxJobDuration: environment.maxJobDuration,
    maxJobs: environment.maxJobs,
    resources,
    ...(environment.free && {
      free: {
        access: renderAccess(environment.free.access),
        maxJobDuration: environment.free.maxJobDuration,
        maxJobs: environment.free.maxJobs,
        resources,
        allowImageBuild: false,
      },
    }),
    enableNetwork: false,
  };
};
