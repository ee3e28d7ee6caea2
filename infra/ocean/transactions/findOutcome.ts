/** Looks for the block that has a transaction. */

import type { TransactionOutcome, TransactionRecord } from '../../ledger/transactions.ts';
import type { ChainReceipt } from '../chains.ts';
import type { TransactionNode } from './node.ts';

/** `unmined`: no block has it; `waiting`: one has, and too few lie on top of it. */
export type Found = { readonly kind: 'unmined' | 'waiting' } | { readonly kind: 'ended'; readonly outcome: TransactionOutcome };

const describe = async (node: TransactionNode, record: TransactionRecord, receipt: ChainReceipt): Promise<TransactionOutcome> => {
  const { hash, blockNumber, succeeded } = receipt;
  const call = record.signed?.call;
  const again = succeeded || call === undefined ? null : { from: record.sender, ...call, value: BigInt(call.value) };
  const reason = again && ((await node.reasonOf(again, blockNumber)) ?? 'it names no reason');
  const logs = receipt.logs.map(({ address, topics, data }) => ({ address, topics: [...topics], data }));
  return { hash, blockNumber, succeeded, reason, logs };
};

/** Whichever of its signatures was mined: they share a nonce, so at most one was. */
export const findOutcome = async (node: TransactionNode, record: TransactionRecord): Promise<Found> => {
  const receipts = await Promise.all((record.signed?.attempts ?? []).map(({ hash }) => node.receipt(hash)));
  const receipt = receipts.find((one) => one !== null);
  if (receipt === undefined || receipt === null) return { kind: 'unmined' };
  const { confirmations } = node.config;
  if (confirmations > 1 && (await node.blockNumber()) - receipt.blockNumber + 1 < confirmations) return { kind: 'waiting' };
  return { kind: 'ended', outcome: await describe(node, record, receipt) };
};
