/** What a classic job needs to be paid: one object for each service to order. Answers initializeCompute. */

import { ZeroAddress } from 'ethers';
import type { ComputeEnvironment } from '../../environments/environments.ts';
import { examineServiceOrder } from '../admission.ts';
import type { InspectedService } from '../inspect.ts';
import type { OrderVerdict } from '../orders.ts';
import { signProviderFee, type SignedProviderFee } from '../providerFees.ts';
import { createClassicChecks, type ClassicCheckDeps, type ClassicCheckRequest } from './checks.ts';
import { feeAmount, secondsUntil, type FeeRate } from './fees.ts';
import { readRate } from './rates.ts';
import type { Coded } from './refuse.ts';

export interface ClassicQuoteDeps extends ClassicCheckDeps {
  readonly providerPrivateKey: string;
}

export interface ClassicQuoteRequest extends Omit<ClassicCheckRequest, 'isOrderNeeded'> {
  /** seconds since the epoch, in the future */
  readonly validUntil: number;
}

/** `validOrder` alone: use it. With a fee: reuse it with that fee. A fee alone: order. */
export type ClassicItem =
  { readonly validOrder: string } | { readonly datatoken: string; readonly providerFee: SignedProviderFee; readonly validOrder?: string };

export interface ClassicQuote {
  /** in the order of the request */
  readonly datasets: readonly ClassicItem[];
  /** absent for a raw algorithm */
  readonly algorithm?: ClassicItem;
}

interface Item {
  readonly inspected: InspectedService;
  readonly transferTxId: string | null;
  readonly role: 'dataset' | 'algorithm';
  /** null: this item carries no compute fee */
  readonly rate: FeeRate | null;
}

const examine = async (
  deps: ClassicQuoteDeps,
  { consumerAddress, environment }: ClassicQuoteRequest,
  { inspected, transferTxId, role }: Item,
): Promise<OrderVerdict> => {
  if (transferTxId === null) return { kind: 'invalid', reason: 'there is none' };
  return examineServiceOrder(deps, { inspected, transferTxId, role, requester: consumerAddress, environmentId: environment.id });
};

/** An order's fee must last as long as it is asked to, and the charged item's must be worth that time. */
const isFeeEnough = (verdict: OrderVerdict, { validUntil }: ClassicQuoteRequest, due: bigint): boolean =>
  verdict.kind === 'valid' && validUntil <= verdict.fee.validUntil && verdict.fee.amount >= due;

const quoteItem = async (deps: ClassicQuoteDeps, request: ClassicQuoteRequest, item: Item): Promise<ClassicItem> => {
  const { asset, service } = item.inspected;
  const token = item.rate?.token ?? deps.chains.get(asset.ddo.chainId)?.config.feeToken ?? ZeroAddress;
  const verdict = await examine(deps, request, item);
  const timestamp = Date.now() / 1_000;
  const amount = item.rate === null ? 0n : feeAmount(item.rate, secondsUntil(request.validUntil, timestamp));
  if (verdict.kind === 'valid' && isFeeEnough(verdict, request, amount)) return { validOrder: verdict.startTxId };
  const providerFee = signProviderFee(deps.providerPrivateKey, {
    ...{ environment: request.environment.id, datatokenAddress: service.datatokenAddress, serviceId: service.id },
    ...{ token, amount, validUntil: request.validUntil, timestamp },
  });
  const { datatokenAddress: datatoken } = service;
  return verdict.kind === 'invalid' ? { datatoken, providerFee } : { datatoken, providerFee, validOrder: verdict.startTxId };
};

const readMainRate = (deps: ClassicQuoteDeps, environment: ComputeEnvironment, main: InspectedService | undefined): Promise<FeeRate> =>
  readRate(deps.chains, environment, main?.asset.ddo.chainId ?? 0);

/**
 * Quotes a job. Everything that would refuse it at its start, except orders, refuses it here already. The compute fee
 * is on the first dataset, all other items carry a fee of nothing.
 * @see Classic Provider API §6
 */
export const createClassicQuotes = (deps: ClassicQuoteDeps) => {
  const check = createClassicChecks(deps);
  return async function quoteClassic(request: ClassicQuoteRequest): Promise<Coded<ClassicQuote>> {
    const checked = await check({ ...request, isOrderNeeded: false });
    if (checked.kind === 'refused') return checked;
    const { datasets, algorithm } = checked.value;
    const rate = await readMainRate(deps, request.environment, datasets[0]);
    const quoteOne = (inspected: InspectedService, transferTxId: string | null, role: Item['role'], isCharged: boolean) =>
      quoteItem(deps, request, { inspected, transferTxId, role, rate: isCharged ? rate : null });
    const [quotedAlgorithm, ...quotedDatasets] = await Promise.all([
      algorithm === null ? null : quoteOne(algorithm, request.algorithm.transferTxId, 'algorithm', false),
      ...datasets.map((inspected, position) =>
        quoteOne(inspected, request.datasets[position]?.transferTxId ?? null, 'dataset', position === 0),
      ),
    ]);
    const items = quotedDatasets.filter((item) => item !== null);
    return { kind: 'good', value: { datasets: items, ...(quotedAlgorithm && { algorithm: quotedAlgorithm }) } };
  };
};
