/** Whether an asset may be consumed, in the words of a classic Provider. */

import { isAllowed, type AccessLists } from '../credentials.ts';
import { isConsumableState } from '../consumable.ts';
import type { Credentials, DdoService } from '../ddo.ts';
import type { Asset } from '../onChainAssets.ts';

const denied = (did: string, code: string): string => `Error: Access to asset ${did} was denied with code: ConsumableCodes.${code}.`;

interface Asker {
  readonly address: string;
  readonly chainId: number;
  readonly accessLists: AccessLists;
}

const findDenial = async (credentials: Credentials | null, asker: Asker): Promise<string | null> => {
  if (credentials === null) return null;
  if (!(await isAllowed({ ...credentials, allow: [] }, asker))) return 'CREDENTIAL_IN_DENY_LIST';
  return (await isAllowed(credentials, asker)) ? null : 'CREDENTIAL_NOT_IN_ALLOW_LIST';
};

/**
 * The chain's word on the state counts first, then the cached document's, then the lists of asset and service.
 * @returns null when it may be consumed
 * @throws JobFailure ChainUnavailable when an access list cannot be asked
 * @see Classic Provider API §7
 */
export const whyNotConsumable = async (
  { ddo, state }: Asset,
  service: DdoService | undefined,
  { address, accessLists }: Pick<Asker, 'address' | 'accessLists'>,
): Promise<string | null> => {
  if (!isConsumableState(state)) return 'Asset is not consumable.';
  if (ddo.cachedState !== null && !isConsumableState(ddo.cachedState)) return denied(ddo.did, 'ASSET_DISABLED');
  const asker = { address, accessLists, chainId: ddo.chainId };
  const code = (await findDenial(ddo.credentials, asker)) ?? (await findDenial(service?.credentials ?? null, asker));
  return code === null ? null : denied(ddo.did, code);
};
