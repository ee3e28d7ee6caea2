/** Compute environments as the node-style API shows them. */

import { resourceIdsOf, resourcesOf } from '../../infra/environments/environments.ts';
import type { ComputeEnvironment, EnvironmentLoad, OfferedChain } from '../ports.ts';
import type { ComputeEnvironmentAnswer } from './schemas.ts';

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

/** Prices in one token on one chain, a price for every resource. */
interface PricedChain {
  readonly chainId: number;
  /** null: orders are taken there, and nothing is priced */
  readonly feeToken: string | null;
  readonly prices: readonly { readonly id: string; readonly price: number }[];
}

/**
 * Where and in which tokens an environment is paid. One that names prices is paid there only, or a consumer could
 * choose the chain on which it costs nothing; others cost nothing on every chain whose orders they take.
 */
export const pricedChainsOf = (environment: ComputeEnvironment, chains: readonly OfferedChain[]): readonly PricedChain[] => {
  const ids = resourceIdsOf(environment);
  const priceAll = (prices: PricedChain['prices']) => ids.map((id) => ({ id, price: prices.find((named) => named.id === id)?.price ?? 0 }));
  const taken = chainsOf(environment, chains);
  if (environment.fees.length === 0) return taken.map(({ chainId, feeToken }) => ({ chainId, feeToken, prices: priceAll([]) }));
  return environment.fees
    .filter(({ chainId }) => taken.some((chain) => chain.chainId === chainId))
    .map(({ chainId, feeToken, prices }) => ({ chainId, feeToken, prices: priceAll(prices) }));
};

const renderFees = (priced: readonly PricedChain[]): ComputeEnvironmentAnswer['fees'] => {
  const fees: ComputeEnvironmentAnswer['fees'] = {};
  for (const { chainId, feeToken, prices } of priced) {
    if (feeToken !== null) (fees[String(chainId)] ??= []).push({ feeToken, prices: [...prices] });
  }
  return fees;
};

const loadOf = (loads: readonly EnvironmentLoad[], environmentId: string, isFree: boolean): EnvironmentLoad =>
  loads.find((load) => load.environmentId === environmentId && load.isFree === isFree) ?? {
    environmentId,
    isFree,
    running: 0,
    queued: 0,
    inUse: {},
  };

/** `inUse` is what jobs with a place were given, free and paid ones together; nothing is reserved for waiting ones. */
const renderResources = (
  environment: ComputeEnvironment,
  loads: readonly EnvironmentLoad[],
  isFree: boolean,
): ComputeEnvironmentAnswer['resources'] =>
  resourcesOf(environment, isFree).map(({ id, type, description, total, max, min }) => ({
    ...{ id, type, total, max, min },
    inUse: loads.reduce((sum, load) => sum + (load.inUse[id] ?? 0), 0),
    ...(description !== '' && { description }),
  }));

/**
 * Node-style Provider API §4. Waiting times are upper bounds in seconds, 0 when nobody waits or runs; `free` is
 * present only if free jobs are offered.
 */
export const renderEnvironment = ({ environment, loads, chains, consumerAddress }: EnvironmentViewInput): ComputeEnvironmentAnswer => {
  const paid = loadOf(loads, environment.id, false);
  const free = loadOf(loads, environment.id, true);
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
    fees: renderFees(pricedChainsOf(environment, chains)),
    storageExpiry: environment.storageExpiry,
    minJobDuration: environment.minJobDuration,
    maxJobDuration: environment.maxJobDuration,
    maxJobs: environment.maxJobs,
    resources: renderResources(environment, [paid, free], false),
    ...(environment.free && {
      free: {
        access: renderAccess(environment.free.access),
        maxJobDuration: environment.free.maxJobDuration,
        maxJobs: environment.free.maxJobs,
        resources: renderResources(environment, [paid, free], true),
        allowImageBuild: false,
      },
    }),
    enableNetwork: false,
  };
};
