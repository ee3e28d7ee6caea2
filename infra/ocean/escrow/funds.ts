/** Looks whether the escrow contract would lock what a job costs. */

import { JobFailure } from '../../../workflows/contract/failures.ts';
import type { PaymentTerms } from '../../../workflows/contract/spec.ts';
import { escrowAbi } from '../abi.ts';
import type { ChainReader } from '../chains.ts';

/** What the contract knows of payer and payee; amounts in base units. */
export interface EscrowStanding {
  readonly available: bigint;
  /** null: the payer has authorized nothing */
  readonly authorization: {
    readonly maxLockedAmount: bigint;
    readonly currentLockedAmount: bigint;
    readonly maxLockSeconds: bigint;
    readonly maxLockCounts: bigint;
    readonly currentLocks: bigint;
  } | null;
}

/**
 * Why the contract would refuse the lock, in the words that clients know; null when it would not. Pure.
 * @see Node-style Provider API §6, payment
 */
export const findShortage = ({ available, authorization }: EscrowStanding, terms: PaymentTerms): string | null => {
  const { payer, chainId, token, payee, lockSeconds } = terms;
  const amount = BigInt(terms.amount);
  if (available < amount) return `User ${payer} does not have enough funds`;
  if (authorization === null) return `No escrow auths found for: chain=${chainId}, token=${token}, payer=${payer}, payee=${payee}`;
  const { maxLockedAmount, currentLockedAmount, maxLockSeconds, maxLockCounts, currentLocks } = authorization;
  if (currentLockedAmount + amount > maxLockedAmount) return 'No valid escrow auths found(will go over limit)';
  if (maxLockSeconds < BigInt(lockSeconds)) return 'No valid escrow auths found(maxLockSeconds too low)';
  if (currentLocks + 1n > maxLockCounts) return 'No valid escrow auths found(too many active locks)';
  return null;
};

const readStanding = async (chain: ChainReader, { escrowAddress, token, payer, payee }: PaymentTerms): Promise<EscrowStanding> => {
  const [funds, authorizations] = await Promise.all([
    chain.call(escrowAddress, escrowAbi, 'getUserFunds', [payer, token]),
    chain.call(escrowAddress, escrowAbi, 'getAuthorizations', [token, payer, payee]),
  ]);
  const [held] = (funds ?? []) as unknown as readonly { readonly available: bigint }[];
  const [all] = (authorizations ?? []) as unknown as readonly (readonly NonNullable<EscrowStanding['authorization']>[])[];
  // asked for an index that is not there, a decoded list throws
  const [authorization = null] = [...(all ?? [])];
  return { available: held?.available ?? 0n, authorization };
};

/** @throws JobFailure PaymentInvalid with the contract's reason; ChainUnavailable */
export const requireFunds = async (chains: ReadonlyMap<number, ChainReader>, terms: PaymentTerms): Promise<void> => {
  const chain = chains.get(terms.chainId);
  if (chain === undefined) throw new JobFailure('RequestInvalid', `Cannot handle payments on chainId: ${terms.chainId}`);
  const shortage = findShortage(await readStanding(chain, terms), terms);
  if (shortage !== null) throw new JobFailure('PaymentInvalid', shortage);
};
