/** Who may use an asset, a service or an environment. */

import type { ComputeEnvironment } from '../environments/environments.ts';
import type { CredentialEntry, Credentials } from './ddo.ts';

/** Asks access list contracts. */
export interface AccessLists {
  /** true when `address` holds a token of the list; false also for a chain or contract that does not exist */
  isMember(list: { readonly chainId: number; readonly contract: string }, address: string): Promise<boolean>;
}

const addressText = /^0x[0-9a-f]{40}$/i;

const readAddress = (value: unknown): string => {
  if (typeof value === 'string') return value.toLowerCase();
  // version 5 documents wrap each address
  const inner = typeof value === 'object' && value !== null ? (value as { address?: unknown }).address : undefined;
  return typeof inner === 'string' ? inner.toLowerCase() : '';
};

interface MatchRequest {
  readonly address: string;
  /** chain of the asset, for access lists that name none */
  readonly chainId: number;
  readonly accessLists: AccessLists;
}

const matches = async (entry: CredentialEntry, { address, chainId, accessLists }: MatchRequest): Promise<boolean> => {
  if (entry.type === 'address') {
    const listed = entry.values.map(readAddress);
    return listed.includes('*') || listed.includes(address.toLowerCase());
  }
  if (entry.type !== 'accessList') return false;
  const contracts = [entry.accessList, ...entry.values].map(readAddress).filter((contract) => addressText.test(contract));
  const answers = await Promise.all(
    contracts.map((contract) => accessLists.isMember({ chainId: entry.chainId ?? chainId, contract }, address)),
  );
  return answers.includes(true);
};

const combine = (answers: readonly boolean[], rule: 'all' | 'any'): boolean =>
  rule === 'all' ? answers.every((answer) => answer) : answers.includes(true);

/**
 * Deny list first, then allow list; both must pass. An empty list says nothing. Unknown types never match.
 * @param credentials null when the document has none
 * @throws JobFailure ChainUnavailable when an access list cannot be asked: an outage is no denial
 * @see Ocean Node: credentials, `match_allow` (all) and `match_deny` (any)
 */
export const isAllowed = async (credentials: Credentials | null, request: MatchRequest): Promise<boolean> => {
  if (credentials === null) return true;
  const [denied, allowed] = await Promise.all(
    [credentials.deny, credentials.allow].map((list) => Promise.all(list.map((entry) => matches(entry, request)))),
  );
  if (denied !== undefined && denied.length > 0 && combine(denied, credentials.matchDeny)) return false;
  return allowed === undefined || allowed.length === 0 || combine(allowed, credentials.matchAllow);
};

/**
 * An environment's own list: any entry present, one must match; none, it is open.
 * @throws JobFailure ChainUnavailable
 */
export const mayUseEnvironment = async (
  access: ComputeEnvironment['access'],
  address: string,
  accessLists: AccessLists,
): Promise<boolean> => {
  const lists = access.accessLists.flatMap((byChain) =>
    Object.entries(byChain).flatMap(([chainId, contracts]) => contracts.map((contract) => ({ chainId: Number(chainId), contract }))),
  );
  if (access.addresses.length === 0 && lists.length === 0) return true;
  if (access.addresses.some((listed) => listed.toLowerCase() === address.toLowerCase())) return true;
  return (await Promise.all(lists.map((list) => accessLists.isMember(list, address)))).includes(true);
};
