/** Prices of an environment's resources: per unit and minute, by chain and fee token. */

import { z } from 'zod';
import type { Resources } from '../../workflows/contract/spec.ts';
import type { Complain } from './devices.ts';

const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'is not an address');

/** Prices in one token on one chain. A resource without a price costs nothing. */
export const fee = z.strictObject({
  chainId: z.number().int().positive(),
  feeToken: address,
  prices: z.array(z.strictObject({ id: z.string(), price: z.number().nonnegative() })).min(1),
});

export type Fee = z.output<typeof fee>;

/** What prices may name. */
export interface PricedOffer {
  readonly fees: readonly Fee[];
  /** empty: every configured chain */
  readonly chainIds: readonly number[];
  readonly resourceIds: readonly string[];
}

/** A price names a resource that is offered, a chain whose orders are taken, and each of them once. */
export const checkFees = ({ fees, chainIds, resourceIds }: PricedOffer, complain: Complain): void => {
  fees.forEach(({ chainId, feeToken, prices }, index) => {
    const isSame = (other: Fee): boolean => other.chainId === chainId && other.feeToken.toLowerCase() === feeToken.toLowerCase();
    if (fees.slice(0, index).some(isSame)) complain(['fees', index], 'has the chain and token of an earlier one');
    if (chainIds.length > 0 && !chainIds.includes(chainId)) complain(['fees', index, 'chainId'], 'is not among chainIds');
    prices.forEach(({ id }, position) => {
      const path = ['fees', index, 'prices', position, 'id'];
      if (!resourceIds.includes(id)) complain(path, `is no resource of this environment: it has ${resourceIds.join(', ')}`);
      if (prices.slice(0, position).some((other) => other.id === id)) complain(path, 'is priced twice');
    });
  });
};

/** True when a paid job with these resources would cost something, in whatever token. */
export const isPriced = (fees: readonly Fee[], resources: Resources): boolean =>
  fees.some(({ prices }) => prices.some(({ id, price }) => price > 0 && (resources[id] ?? 0) > 0));
