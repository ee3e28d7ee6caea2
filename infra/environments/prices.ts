/** What compute time costs. Pure, and exact: no amount passes through floating point. */

import type { Resources } from '../../workflows/contract/spec.ts';
import { add, multiply, toDecimal, zero, type Decimal } from './decimal.ts';
import type { Fee } from './fees.ts';

/** Price of a minute with these resources, in whole tokens: the sum of price times amount. */
export const pricePerMinute = ({ prices }: Pick<Fee, 'prices'>, resources: Resources): Decimal =>
  prices.map(({ id, price }) => multiply(toDecimal(price), toDecimal(resources[id] ?? 0))).reduce((sum, part) => add(sum, part), zero);

/** How a run is charged. */
export interface Tariff {
  /** in whole tokens */
  readonly perMinute: Decimal;
  readonly decimals: number;
  /** the least run time that is charged */
  readonly minSeconds: number;
}

/**
 * Price of a run in base units: each started minute counts, at least `minSeconds`; rounded down to a base unit once, at
 * the end. A longer run never costs less.
 * @param seconds not negative
 */
export const priceOfRun = ({ perMinute, decimals, minSeconds }: Tariff, seconds: number): bigint => {
  const minutes = BigInt(Math.ceil(Math.max(seconds, minSeconds) / 60));
  return (minutes * perMinute.units * 10n ** BigInt(decimals)) / 10n ** BigInt(perMinute.scale);
};
