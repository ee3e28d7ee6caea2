/** Whether an asset's state lets anybody order and use it. */

import { JobFailure } from '../../workflows/contract/failures.ts';
import type { Asset } from './onChainAssets.ts';

const active = 0;
const unlisted = 5;

const stateNames: Readonly<Record<number, string>> = {
  1: 'it has reached its end of life',
  2: 'it is deprecated',
  3: 'it is revoked',
  4: 'ordering is temporarily disabled',
};

/** True for the states in which an asset may be used: active and unlisted. */
export const isConsumableState = (state: number): boolean => state === active || state === unlisted;

/**
 * After the call the asset may be used, by the chain's word and by its cached document's.
 * @throws JobFailure AssetNotConsumable
 */
export const requireConsumable = ({ ddo, state }: Asset): void => {
  for (const told of [state, ddo.cachedState ?? active]) {
    if (isConsumableState(told)) continue;
    throw new JobFailure('AssetNotConsumable', `Asset ${ddo.did} is not consumable: ${stateNames[told] ?? 'its state is unknown'}`);
  }
};
