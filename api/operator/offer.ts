/** Environments as Providers see them: whether they take jobs of a chain, and what a minute costs there. */

import { classicPriceOf } from '../../infra/environments/classicOffer.ts';
import { toNumber } from '../../infra/environments/decimal.ts';
import type { ComputeEnvironment, OfferedChain } from '../ports.ts';

const priceOn = (environment: ComputeEnvironment, chainId: number, chains: readonly OfferedChain[]): number | null => {
  const chain = chains.find((one) => one.chainId === chainId);
  const price = classicPriceOf(environment, chainId, chain?.feeToken ?? null);
  return price === null ? null : toNumber(price.perMinute);
};

/**
 * Price of a minute on a chain; without a chain that of the environment's first price.
 * @param chainId as text
 * @returns null where jobs of that chain are not taken: a list of chains does not name it, or prices are named elsewhere only
 */
export const priceFor = (environment: ComputeEnvironment, chainId: string | null, chains: readonly OfferedChain[]): number | null => {
  if (chainId !== null) return /^\d{1,15}$/.test(chainId) ? priceOn(environment, Number(chainId), chains) : null;
  const [fee] = environment.fees;
  return fee === undefined ? 0 : priceOn(environment, fee.chainId, chains);
};

/** Operator-Service API §3: a list of chains must name the chain; an environment without one takes jobs of any, or of none. */
export const takesChain = (environment: ComputeEnvironment, chainId: string | null, chains: readonly OfferedChain[]): boolean =>
  chainId === null ? environment.chainIds.length === 0 : priceFor(environment, chainId, chains) !== null;
