/** What makes an order good: pure rules over the events of one datatoken. */

import { getAddress } from 'ethers';
import { datatokenAbi } from './abi.ts';
import type { ChainReceipt } from './chains.ts';
import { isSameId } from './ids.ts';
import { isProviderFeeSigned, parseProviderData, type ProviderFeeClaim } from './providerFees.ts';

/** `OrderStarted` of a datatoken. Times in seconds since the epoch, by the chain's clock. */
export interface OrderStarted {
  readonly consumer: string;
  readonly payer: string;
  readonly amount: bigint;
  readonly serviceIndex: bigint;
  readonly timestamp: number;
}

/** `OrderReused` of a datatoken. The contract checks neither id nor caller. */
export interface OrderReused {
  readonly orderTxId: string;
  readonly caller: string;
  readonly timestamp: number;
}

/** What one transaction proves about one datatoken. */
export interface OrderEvidence {
  readonly from: string;
  readonly to: string | null;
  readonly started: readonly OrderStarted[];
  readonly reused: readonly OrderReused[];
  readonly fees: readonly ProviderFeeClaim[];
}

/** What is asked for. */
export interface OrderTerms {
  readonly datatokenAddress: string;
  readonly serviceIndex: number;
  readonly serviceId: string;
  /** 0 for ever */
  readonly timeoutSeconds: number;
  readonly requester: string;
  /** the environment's address: consumer in the orders that clients make */
  readonly environmentAddress: string;
  /** null: a fee for any environment, or for none, will do */
  readonly environmentId: string | null;
  /** algorithms: a fee that names no environment will do */
  readonly environmentOptional: boolean;
  /** of the provider's current and former keys */
  readonly providerAddresses: readonly string[];
}

/** A rule's verdict: null is good, a text says what is wrong. */
type Verdict = string | null;

/** A fee that passed. Times in seconds since the epoch. */
export interface PaidFee {
  readonly amount: bigint;
  readonly token: string;
  /** 0 for no limit */
  readonly validUntil: number;
  /** when it was quoted */
  readonly quotedAt: number;
}

const oneToken = 10n ** 18n;
const feeGraceSeconds = 90;

interface Decoded {
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const decodeLogs = (receipt: ChainReceipt, datatokenAddress: string): readonly Decoded[] =>
  receipt.logs.flatMap((log) => {
    // the rule that forged events break on: any contract can emit a perfect copy, only the address tells
    if (!isSameId(log.address, datatokenAddress)) return [];
    try {
      const event = datatokenAbi.parseLog(log);
      return event === null ? [] : [{ name: event.name, fields: event.args.toObject() }];
    } catch {
      return [];
    }
  });

/** The events that `datatokenAddress` itself emitted in a transaction; everything else in it is ignored. */
export const readEvidence = (receipt: ChainReceipt, datatokenAddress: string): OrderEvidence => {
  const logs = decodeLogs(receipt, datatokenAddress);
  const ofName = (name: string) => logs.filter((log) => log.name === name).map((log) => log.fields);
  return {
    from: receipt.from,
    to: receipt.to,
    started: ofName('OrderStarted').map((log) => ({
      consumer: getAddress(String(log['consumer'])),
      payer: getAddress(String(log['payer'])),
      amount: log['amount'] as bigint,
      serviceIndex: log['serviceIndex'] as bigint,
      timestamp: Number(log['timestamp']),
    })),
    reused: ofName('OrderReused').map((log) => ({
      orderTxId: String(log['orderTxId']),
      caller: getAddress(String(log['caller'])),
      timestamp: Number(log['timestamp']),
    })),
    fees: ofName('ProviderFee').map((log) => ({ ...(log as unknown as ProviderFeeClaim), v: Number(log['v']) })),
  };
};

/**
 * Payer or consumer must be the requester. When the payer is a contract that the transaction called, as in a
 * multi-order or through a router, the transaction's sender must be; a bundler that carries somebody's smart wallet
 * calls another contract and gains nothing.
 */
const isBoundTo = (requester: string, order: OrderStarted, { from, to }: OrderEvidence): boolean =>
  isSameId(order.payer, requester) ||
  isSameId(order.consumer, requester) ||
  (to !== null && isSameId(order.payer, to) && !isSameId(order.payer, from) && isSameId(from, requester));

const judgeStarted = (order: OrderStarted, evidence: OrderEvidence, terms: OrderTerms, nowSeconds: number): Verdict => {
  if (order.serviceIndex !== BigInt(terms.serviceIndex)) return 'the order is for another service';
  if (order.amount < oneToken) return 'the amount in the event is less than the amount requested';
  if (!isBoundTo(terms.requester, order, evidence)) return 'the sender of the order transaction is not the consumer or payer';
  if (![terms.environmentAddress, terms.requester].some((address) => isSameId(address, order.consumer))) {
    return 'the order is for another consumer';
  }
  if (terms.timeoutSeconds > 0 && nowSeconds - order.timestamp > terms.timeoutSeconds) return 'the order has expired';
  return null;
};

/**
 * Looks for a start event that satisfies every rule.
 * @param nowSeconds by the chain's clock or the wall's, whichever is later
 * @returns null when there is one; else what is wrong with the best
 * @see Ocean Provider: order checks 8 to 12
 */
export const judgeStart = (evidence: OrderEvidence, terms: OrderTerms, nowSeconds: number): Verdict => {
  const verdicts = evidence.started.map((order) => judgeStarted(order, evidence, terms, nowSeconds));
  if (verdicts.includes(null)) return null;
  return verdicts.at(-1) ?? 'the transaction holds no order of this datatoken';
};

const judgeFeeOwner = (fee: ProviderFeeClaim, terms: OrderTerms): Verdict => {
  const quoted = parseProviderData(fee.providerData);
  if (quoted === null || !isSameId(quoted.dt, terms.datatokenAddress) || !isSameId(quoted.id, terms.serviceId)) {
    return 'the provider fee is for another service';
  }
  const isEnvironmentGood =
    terms.environmentId === null ||
    quoted.environment === terms.environmentId ||
    (terms.environmentOptional && quoted.environment === null);
  if (!isEnvironmentGood) return 'mismatch between ordered c2d environment and selected one';
  if (!terms.providerAddresses.some((address) => isSameId(address, fee.providerFeeAddress))) {
    return 'the provider fee is for another provider';
  }
  return isProviderFeeSigned(fee) ? null : 'the signature of the provider fee is not valid';
};

const judgeFeeTime = (fee: ProviderFeeClaim, orderedAt: number, nowSeconds: number): Verdict => {
  const validUntil = Number(fee.validUntil);
  if (validUntil === 0 || nowSeconds < validUntil) return null;
  // an order takes a while to be mined, and a chain's clock may be ahead: both are in the difference
  const quotedAt = parseProviderData(fee.providerData)?.timestamp ?? 0;
  return nowSeconds < validUntil + (orderedAt - quotedAt + feeGraceSeconds)
    ? null
    : 'the ordered compute time was exceeded: pay new provider fees by reusing the order';
};

/**
 * Looks for a provider fee that satisfies every rule.
 * @returns the fee, or what is wrong with the last candidate
 * @see Ocean Provider: order checks 2 to 6
 */
export const findFee = (evidence: OrderEvidence, terms: OrderTerms, nowSeconds: number): PaidFee | string => {
  let problem = 'the transaction holds no provider fee of this datatoken';
  const orderedAt = Math.max(0, ...[...evidence.started, ...evidence.reused].map((event) => event.timestamp));
  for (const fee of evidence.fees) {
    const verdict = judgeFeeOwner(fee, terms) ?? judgeFeeTime(fee, orderedAt, nowSeconds);
    if (verdict === null) {
      const quotedAt = parseProviderData(fee.providerData)?.timestamp ?? 0;
      return { amount: fee.providerFeeAmount, token: fee.providerFeeToken, validUntil: Number(fee.validUntil), quotedAt };
    }
    problem = verdict;
  }
  return problem;
};

/** The transactions that this one's reuse events of the requester refer to, without repetition. */
export const reusedOrders = (evidence: OrderEvidence, requester: string): readonly string[] => [
  ...new Set(evidence.reused.filter((reuse) => isSameId(reuse.caller, requester)).map((reuse) => reuse.orderTxId)),
];
