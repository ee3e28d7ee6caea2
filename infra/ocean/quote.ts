/** What a job would need to be paid: orders, provider fees, escrow. Answers initializeCompute. */

import { ZeroAddress } from 'ethers';
import type { AlgorithmRequest, DatasetRequest, PaymentMeans, Resources } from '../../workflows/contract/spec.ts';
import type { ComputeEnvironment } from '../environments/environments.ts';
import { examineServiceOrder, type AdmissionDeps } from './admission.ts';
import { checkAssets } from './assetChecks.ts';
import { termsOf } from './escrow/terms.ts';
import type { InspectedService } from './inspect.ts';
import type { OrderVerdict } from './orders.ts';
import { signProviderFee, type SignedProviderFee } from './providerFees.ts';

export interface QuoteDeps extends AdmissionDeps {
  readonly providerPrivateKey: string;
}

export interface QuoteRequest {
  readonly surface: 'node' | 'classic';
  readonly consumerAddress: string;
  readonly datasets: readonly Pick<DatasetRequest, 'documentId' | 'serviceId' | 'transferTxId' | 'fileObject'>[];
  readonly algorithm: Pick<AlgorithmRequest, 'documentId' | 'serviceId' | 'transferTxId' | 'raw' | 'userdata'>;
  /** escrow, if asked for, and the resources that are to be paid */
  readonly payment: (PaymentMeans & { readonly resources: Resources }) | null;
  /** seconds; null for the environment's own limit */
  readonly maxJobDuration: number | null;
  readonly queueMaxWaitTime: number;
  /** classic: until when fees should be good, seconds since the epoch; null lets each service's timeout decide */
  readonly validUntil: number | null;
}

/** One service to order. */
export interface QuotedService {
  readonly datatoken: string;
  readonly chainId: number;
  readonly did: string;
  readonly serviceId: string;
  /** the transaction that started a good order; false: a new order is needed */
  readonly validOrder: string | false;
  /** absent: the order's fee is still good */
  readonly providerFee?: SignedProviderFee;
  /** consumer to name in the order */
  readonly consumerAddress: string;
}

export interface QuotedPayment {
  readonly escrowAddress: string;
  readonly payee: string;
  readonly chainId: number;
  readonly minLockSeconds: number;
  readonly token: string;
  /** base units; `0` needs no lock */
  readonly amount: string;
}

export interface Quote {
  /** in the order of the request; null for a bare file object */
  readonly datasets: readonly (QuotedService | null)[];
  /** null for a raw algorithm */
  readonly algorithm: QuotedService | null;
  readonly payment: QuotedPayment | null;
}

const quotePayment = async (deps: QuoteDeps, request: QuoteRequest, environment: ComputeEnvironment): Promise<QuotedPayment | null> => {
  if (request.payment === null) return null;
  const { resources, ...means } = request.payment;
  const runSeconds = Math.min(request.maxJobDuration ?? environment.maxJobDuration, environment.maxJobDuration);
  const run = { means, resources, runSeconds, queueSeconds: request.queueMaxWaitTime, payer: request.consumerAddress };
  const { escrowAddress, payee, chainId, token, lockSeconds, amount } = await termsOf(deps, environment, run);
  return { escrowAddress, payee, chainId, minLockSeconds: lockSeconds, token, amount };
};

const endOfFee = ({ validUntil }: QuoteRequest, timeoutSeconds: number, nowSeconds: number): number => {
  if (validUntil !== null) return validUntil;
  return timeoutSeconds === 0 ? 0 : Math.floor(nowSeconds) + timeoutSeconds;
};

/** True when the order's fee lasts as long as this request wants it to. */
const isFeeLongEnough = (verdict: OrderVerdict, { validUntil }: QuoteRequest): boolean =>
  verdict.kind === 'valid' && (validUntil === null || verdict.fee.validUntil === 0 || validUntil <= verdict.fee.validUntil);

interface Item {
  readonly inspected: InspectedService;
  readonly transferTxId: string | null;
  readonly role: 'dataset' | 'algorithm';
}

const quoteService = async (deps: QuoteDeps, request: QuoteRequest, environmentId: string, item: Item): Promise<QuotedService> => {
  const { asset, service } = item.inspected;
  const verdict: OrderVerdict =
    item.transferTxId === null || item.transferTxId === ''
      ? { kind: 'invalid', reason: 'there is none' }
      : await examineServiceOrder(deps, {
          ...{ inspected: item.inspected, transferTxId: item.transferTxId, role: item.role },
          ...{ requester: request.consumerAddress, environmentId },
        });
  const { did, chainId } = asset.ddo;
  const quoted = {
    ...{ datatoken: service.datatokenAddress, chainId, did, serviceId: service.id },
    validOrder: verdict.kind === 'invalid' ? (false as const) : verdict.startTxId,
    consumerAddress: deps.environmentAddress,
  };
  if (isFeeLongEnough(verdict, request)) return quoted;
  const timestamp = Date.now() / 1_000;
  const providerFee = signProviderFee(deps.providerPrivateKey, {
    environment: environmentId,
    datatokenAddress: service.datatokenAddress,
    serviceId: service.id,
    token: deps.chains.get(chainId)?.config.feeToken ?? ZeroAddress,
    amount: 0n,
    validUntil: endOfFee(request, service.timeoutSeconds, timestamp),
    timestamp,
  });
  return { ...quoted, providerFee };
};

/**
 * Quotes a job. Everything that would refuse it at its start, except orders, refuses it here already, so that nobody
 * pays for a job that cannot run.
 * @throws JobFailure as `admit` does; RequestInvalid for a chain or token that is not taken
 * @see Ocean Provider and Ocean Node: initializeCompute
 */
export const createQuotes = (deps: QuoteDeps) =>
  async function quote(request: QuoteRequest, environment: ComputeEnvironment): Promise<Quote> {
    const payment = await quotePayment(deps, request, environment);
    const checked = await checkAssets(deps, { ...request, isFree: false }, environment);
    const quoteOne = async (inspected: InspectedService | null, transferTxId: string | null, role: 'dataset' | 'algorithm') =>
      inspected === null ? null : quoteService(deps, request, environment.id, { inspected, transferTxId, role });
    const [algorithm, datasets] = await Promise.all([
      quoteOne(checked.algorithm, request.algorithm.transferTxId, 'algorithm'),
      Promise.all(
        checked.datasets.map((inspected, position) => quoteOne(inspected, request.datasets[position]?.transferTxId ?? null, 'dataset')),
      ),
    ]);
    return { datasets, algorithm, payment };
  };
