/** Reads an order's transactions and puts them before the rules. */

import { JobFailure } from '../../workflows/contract/failures.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { nftAbi } from './abi.ts';
import type { ChainBlock, ChainReader, ChainReceipt } from './chains.ts';
import { findFee, judgeStart, readEvidence, reusedOrders, type OrderEvidence, type OrderTerms, type PaidFee } from './orderRules.ts';

export interface OrderCheck extends OrderTerms {
  readonly chain: ChainReader;
  /** of `startOrder`, `reuseOrder` or a multi-order */
  readonly txId: string;
  readonly nftAddress: string;
}

/** What was found out about an order. */
export type OrderVerdict =
  /** not good, and why */
  | { readonly kind: 'invalid'; readonly reason: string }
  /** paid for, but `fee` is missing, foreign or used up: new fees may be paid by reusing `startTxId` */
  | { readonly kind: 'feeNeeded'; readonly startTxId: string; readonly reason: string }
  | { readonly kind: 'valid'; readonly startTxId: string; readonly fee: PaidFee };

const transactionId = /^0x[0-9a-f]{64}$/i;

/** For nodes behind a balancer that have not seen the block yet. */
const lookAgainAfterMs = 1_000;
const pendingRetrySeconds = 1;

const pending = (txId: string, missing: string): JobFailure =>
  new JobFailure('OrderPending', `order transaction ${txId} ${missing}`, { retryAfterSeconds: pendingRetrySeconds });

/** @returns null for a transaction that the chain does not know */
const readReceipt = async (chain: ChainReader, txId: string): Promise<ChainReceipt | null> => {
  const first = await chain.receipt(txId);
  if (first !== null) return first;
  if (await chain.knowsTransaction(txId)) throw pending(txId, 'is not mined yet');
  await sleep(lookAgainAfterMs);
  return chain.receipt(txId);
};

const requireConfirmed = (chain: ChainReader, receipt: ChainReceipt, latest: ChainBlock): void => {
  const has = Math.max(0, latest.number - receipt.blockNumber + 1);
  const needs = chain.config.confirmations;
  if (has < needs) throw pending(receipt.hash, `has ${has} of ${needs} confirmations`);
};

interface Reading {
  readonly check: OrderCheck;
  readonly latest: ChainBlock;
  readonly nowSeconds: number;
}

const judgeReceipt = ({ check, latest }: Reading, receipt: ChainReceipt | null): OrderEvidence | string => {
  if (receipt === null) return 'the order transaction is not found';
  if (!receipt.succeeded) return 'the order transaction failed';
  requireConfirmed(check.chain, receipt, latest);
  return readEvidence(receipt, check.datatokenAddress);
};

/** The transaction that started the order: this one, or one step back the one it reuses. */
const findStart = async (reading: Reading, evidence: OrderEvidence): Promise<{ startTxId: string } | string> => {
  const { check, nowSeconds } = reading;
  const own = judgeStart(evidence, check, nowSeconds);
  if (own === null) return { startTxId: check.txId };
  let problem = evidence.started.length > 0 || evidence.reused.length === 0 ? own : 'the order was reused by somebody else';
  for (const txId of reusedOrders(evidence, check.requester)) {
    const earlier = judgeReceipt(reading, await readReceipt(check.chain, txId));
    const verdict = typeof earlier === 'string' ? earlier : judgeStart(earlier, check, nowSeconds);
    if (verdict === null) return { startTxId: txId };
    problem = verdict;
  }
  return problem;
};

/**
 * Checks one order against the chain.
 * @throws JobFailure OrderPending when it is too young or not mined, ChainUnavailable
 * @see Ocean Provider: order checks; only events of the datatoken itself count, in either transaction
 */
export const examineOrder = async (check: OrderCheck): Promise<OrderVerdict> => {
  if (!transactionId.test(check.txId)) return { kind: 'invalid', reason: 'it is no transaction id' };
  const { chain } = check;
  const [deployed, latest, receipt] = await Promise.all([
    chain.call(check.nftAddress, nftAbi, 'isDeployed', [check.datatokenAddress]),
    chain.latestBlock(),
    readReceipt(chain, check.txId),
  ]);
  if (deployed?.[0] !== true) return { kind: 'invalid', reason: "the datatoken is not one of the asset's NFT" };
  const reading = { check, latest, nowSeconds: Math.max(latest.timestamp, Math.floor(Date.now() / 1_000)) };
  const evidence = judgeReceipt(reading, receipt);
  if (typeof evidence === 'string') return { kind: 'invalid', reason: evidence };
  const start = await findStart(reading, evidence);
  if (typeof start === 'string') return { kind: 'invalid', reason: start };
  const fee = findFee(evidence, check, reading.nowSeconds);
  return typeof fee === 'string' ? { kind: 'feeNeeded', ...start, reason: fee } : { kind: 'valid', ...start, fee };
};
