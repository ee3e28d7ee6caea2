/** What is known of ERC-20 tokens. */

import { Interface } from 'ethers';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { ChainReader } from './chains.ts';

const tokenAbi = new Interface(['function decimals() view returns (uint8)']);

/** A token's decimals never change. */
const known = new WeakMap<ChainReader, Map<string, number>>();

/** @throws JobFailure ServiceUnavailable for an address that is no token; ChainUnavailable */
export const readDecimals = async (chain: ChainReader, token: string): Promise<number> => {
  const ofChain = known.get(chain) ?? new Map<string, number>();
  known.set(chain, ofChain);
  const before = ofChain.get(token);
  if (before !== undefined) return before;
  const decimals = Number((await chain.call(token, tokenAbi, 'decimals', []))?.[0] ?? Number.NaN);
  if (!Number.isInteger(decimals)) throw new JobFailure('ServiceUnavailable', `the fee token of chain ${chain.config.chainId} is no token`);
  ofChain.set(token, decimals);
  return decimals;
};
