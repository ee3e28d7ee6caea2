/** An environment as the classic API offers it: fixed resources for every job, and one price per minute. */

import type { Resources } from '../../workflows/contract/spec.ts';
import { isBasicResource } from './devices.ts';
import { zero, type Decimal } from './decimal.ts';
import { resourcesOf, type ComputeEnvironment } from './environments.ts';
import { pricePerMinute } from './prices.ts';

/** What Providers and operator-services say of an environment that is not there, or does not take the chain. */
export const unknownEnvironment = 'Environment invalid or does not exist';

/** What every classic job is given, because its start names no amounts: as much as a job may have, and no devices beyond the minimum. */
export const classicResources = (environment: ComputeEnvironment): Resources =>
  Object.fromEntries(
    resourcesOf(environment, false)
      .map(({ id, min, max }): readonly [string, number] => [id, isBasicResource(id) ? max : min])
      .filter(([id, amount]) => isBasicResource(id) || amount > 0),
  );

/** What a classic job costs on one chain. */
export interface ClassicPrice {
  /** of provider fees; null: nothing can be paid there, and nothing costs anything */
  readonly feeToken: string | null;
  /** in whole tokens */
  readonly perMinute: Decimal;
}

/**
 * @param chainFeeToken the chain's own fee token: preferred where prices are named in several
 * @returns null when the environment takes no orders of that chain; one with prices takes them only where it has one,
 *   or a consumer could choose the chain on which it costs nothing
 */
export const classicPriceOf = (environment: ComputeEnvironment, chainId: number, chainFeeToken: string | null): ClassicPrice | null => {
  const { chainIds, fees } = environment;
  if (chainIds.length > 0 && !chainIds.includes(chainId)) return null;
  if (fees.length === 0) return { feeToken: chainFeeToken, perMinute: zero };
  const offers = fees.filter((fee) => fee.chainId === chainId);
  const offer = offers.find(({ feeToken }) => feeToken.toLowerCase() === chainFeeToken?.toLowerCase()) ?? offers[0];
  if (offer === undefined) return null;
  const amounts = classicResources(environment);
  const perMinute = pricePerMinute(offer, amounts);
  return { feeToken: offer.feeToken, perMinute };
};
