/** The consumer's side of the escrow contract on a local chain. */

import type { Signer } from 'ethers';
import { loadArtifact } from './artifacts.ts';
import { send } from './send.ts';
import type { LocalChain } from './startChain.ts';

/** What a payer puts in and allows; amounts in base units. */
export interface Deposit {
  readonly token: string;
  readonly payee: string;
  readonly amount: bigint;
  readonly maxLockSeconds: number;
  /** default 10, as client libraries do */
  readonly maxLockCounts?: number;
}

/** Gives the payer tokens, puts them into the contract, and authorizes the payee to lock them. */
export const depositAndAuthorize = async (
  chain: LocalChain,
  payer: Signer & { readonly address: string },
  deposit: Deposit,
): Promise<void> => {
  const { token, payee, amount, maxLockSeconds, maxLockCounts = 10 } = deposit;
  const { escrow } = chain.contracts;
  const erc20 = { to: token, abi: loadArtifact('MockERC20Decimals').abi };
  const contract = { to: escrow, abi: loadArtifact('Escrow').abi };
  await send(chain.accounts.deployer, { ...erc20, method: 'transfer' }, payer.address, amount);
  await send(payer, { ...erc20, method: 'approve' }, escrow, amount);
  await send(payer, { ...contract, method: 'deposit' }, token, amount);
  await send(payer, { ...contract, method: 'authorize' }, token, payee, amount, maxLockSeconds, maxLockCounts);
};
