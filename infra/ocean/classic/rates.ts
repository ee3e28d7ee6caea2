/** What compute time costs on a chain, with the decimals of the token that it is paid in. */

import { ZeroAddress } from 'ethers';
import { JobFailure } from '../../../workflows/contract/failures.ts';
import { classicPriceOf, unknownEnvironment } from '../../environments/classicOffer.ts';
import type { ComputeEnvironment } from '../../environments/environments.ts';
import type { ChainReader } from '../chains.ts';
import { readDecimals } from '../tokens.ts';
import type { FeeRate } from './fees.ts';

/**
 * @throws JobFailure RequestInvalid when the environment takes no orders of that chain; ChainUnavailable
 */
export const readRate = async (
  chains: ReadonlyMap<number, ChainReader>,
  environment: ComputeEnvironment,
  chainId: number,
): Promise<FeeRate> => {
  const chain = chains.get(chainId);
  const price = chain && classicPriceOf(environment, chainId, chain.config.feeToken ?? null);
  if (chain === undefined || price === null || price === undefined) throw new JobFailure('RequestInvalid', unknownEnvironment);
  const { feeToken, perMinute } = price;
  if (feeToken === null || perMinute.units === 0n) return { perMinute, token: feeToken ?? ZeroAddress, decimals: 0 };
  return { perMinute, token: feeToken, decimals: await readDecimals(chain, feeToken) };
};
