/** What a job costs, and what has to be locked for it. */

import { JobFailure } from '../../../workflows/contract/failures.ts';
import type { PaymentMeans, PaymentTerms, Resources } from '../../../workflows/contract/spec.ts';
import type { ComputeEnvironment } from '../../environments/environments.ts';
import { publishSecondsOf } from '../../environments/outputFilter.ts';
import { priceOfRun, pricePerMinute } from '../../environments/prices.ts';
import type { ChainReader } from '../chains.ts';
import { isSameId } from '../ids.ts';
import { readDecimals } from '../tokens.ts';

export interface TermsDeps {
  readonly chains: ReadonlyMap<number, ChainReader>;
  /** the environments' address */
  readonly environmentAddress: string;
}

/** What is to be paid for. */
export interface PricedRun {
  readonly means: PaymentMeans;
  readonly payer: string;
  readonly resources: Resources;
  /** longest run */
  readonly runSeconds: number;
  readonly queueSeconds: number;
}

/** From a job's end to the claim: a chain that is away, or a key without funds, may take that long to come back. */
const claimSeconds = 3_600;

/** Every phase may take as long as it is allowed to, and the claim still comes before the lock's expiry. */
export const lockSecondsOf = (environment: ComputeEnvironment, { runSeconds, queueSeconds }: PricedRun): number => {
  const { createSeconds, stageSeconds, graceSeconds } = environment.limits;
  return runSeconds + queueSeconds + createSeconds + stageSeconds + graceSeconds + publishSecondsOf(environment) + claimSeconds;
};

/**
 * The terms of a run in an environment; an amount of `0` needs no lock.
 * @throws JobFailure RequestInvalid for a chain or token in which the environment is not paid; ChainUnavailable
 */
export const termsOf = async (
  { chains, environmentAddress }: TermsDeps,
  environment: ComputeEnvironment,
  run: PricedRun,
): Promise<PaymentTerms> => {
  const { chainId, token } = run.means;
  const chain = chains.get(chainId);
  const { escrowAddress } = chain?.config ?? {};
  const isTaken = environment.chainIds.length === 0 || environment.chainIds.includes(chainId);
  if (chain === undefined || escrowAddress === undefined || !isTaken)
    throw new JobFailure('RequestInvalid', `Cannot handle payments on chainId: ${chainId}`);
  const fee = environment.fees.find((one) => one.chainId === chainId && isSameId(one.feeToken, token));
  if (fee === undefined && environment.fees.length > 0)
    throw new JobFailure('RequestInvalid', `This compute env does not accept payments on chain: ${chainId} using token ${token}`);
  const perMinute = pricePerMinute(fee ?? { prices: [] }, run.resources);
  const decimals = perMinute.units === 0n ? 0 : await readDecimals(chain, token);
  const tariff = { perMinute, decimals, minSeconds: environment.minJobDuration };
  return {
    ...{ chainId, token, escrowAddress, payee: environmentAddress, payer: run.payer, decimals, minSeconds: tariff.minSeconds },
    perMinute: { units: perMinute.units.toString(), scale: perMinute.scale },
    amount: priceOfRun(tariff, run.runSeconds).toString(),
    lockSeconds: lockSecondsOf(environment, run),
  };
};

/** Price of a run under terms that were fixed before, in base units; never more than what is locked. */
export const costUnder = ({ perMinute, decimals, minSeconds, amount }: PaymentTerms, seconds: number): bigint => {
  const tariff = { perMinute: { units: BigInt(perMinute.units), scale: perMinute.scale }, decimals, minSeconds };
  const cost = priceOfRun(tariff, seconds);
  return cost < BigInt(amount) ? cost : BigInt(amount);
};
