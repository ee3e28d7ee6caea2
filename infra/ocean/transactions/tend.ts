/** What is done about a transaction that no block has. */

import type { Ledger } from '../../ledger/ledger.ts';
import type { TransactionAttempt, TransactionRecord } from '../../ledger/transactions.ts';
import { findOutcome } from './findOutcome.ts';
import { replacementPrice, type GasPrice } from './gasPrice.ts';
import type { TransactionNode } from './node.ts';
import { signAttempt } from './signAttempt.ts';

export interface TendingDeps {
  readonly node: TransactionNode;
  readonly ledger: Pick<Ledger, 'addTransactionAttempt' | 'earlierTransactions'>;
  readonly privateKey: string;
  readonly replaceMs: number;
}

/** A transaction that no block has, from look to look. */
export interface Tended {
  readonly record: TransactionRecord;
  /** how often it was looked at */
  readonly looks: number;
  /** how often in a row the nonce was found used, and by none of ours */
  readonly looksWithout: number;
}

/** A price ten times the first one helps no more: then it is the network that does not mine. */
const mostAttempts = 12;
/** Transactions of one key that are looked after on behalf of a later one. */
const mostEarlier = 20;
/** Nodes behind one address do not all know the same: a nonce counts as lost when it is found so again. */
const looksUntilLost = 2;

const priceOf = ({ maxFeePerGas, maxPriorityFeePerGas }: TransactionAttempt): Omit<GasPrice, 'hasBaseFee'> => ({
  maxFeePerGas: BigInt(maxFeePerGas),
  maxPriorityFeePerGas: BigInt(maxPriorityFeePerGas),
});

/** Sends again what may be lost, at a higher price what nobody wants. */
const push = async ({ node, ledger, privateKey, replaceMs }: TendingDeps, record: TransactionRecord): Promise<TransactionRecord> => {
  const { signed, chainId } = record;
  const last = signed?.attempts.at(-1);
  if (signed === null || last === undefined) return record;
  const isStuck = Date.now() - last.signedAtMs >= replaceMs && signed.attempts.length < mostAttempts;
  const price = isStuck ? replacementPrice(priceOf(last), await node.gasPrice()) : null;
  const unsigned = price && { chainId, call: signed.call, price, nowMs: Date.now() };
  const current = unsigned
    ? await ledger.addTransactionAttempt({ record, sign: (nonce) => signAttempt(privateKey, unsigned, nonce) })
    : record;
  const newest = current.signed?.attempts.at(-1);
  if (newest !== undefined) await node.broadcast(newest.raw);
  return current;
};

/** Nothing of a key is mined before what has lower nonces: whoever should send that may be gone. */
const pushEarlier = async (deps: TendingDeps, record: TransactionRecord): Promise<void> => {
  for (const earlier of await deps.ledger.earlierTransactions(record, mostEarlier)) {
    if ((await findOutcome(deps.node, earlier)).kind === 'unmined') await push(deps, earlier);
  }
};

/** Somebody else has used the key, and the nonce with it: another one is taken. */
const renew = async ({ node, ledger, privateKey }: TendingDeps, record: TransactionRecord): Promise<TransactionRecord> => {
  const { signed, chainId, sender } = record;
  if (signed === null) return record;
  const [price, chainNonce] = await Promise.all([node.gasPrice(), node.nonceOf(sender, 'pending')]);
  const unsigned = { chainId, call: signed.call, price, nowMs: Date.now() };
  return ledger.addTransactionAttempt({ record, chainNonce, sign: (nonce) => signAttempt(privateKey, unsigned, nonce) });
};

/**
 * True when the nonce is spent, by whatever, as deep as an end must lie: a shallower one may come undone, and then both
 * the old signature and a new one would be good.
 */
const isNonceSpent = async (node: TransactionNode, { sender, signed }: TransactionRecord): Promise<boolean> => {
  const depth = Math.max(0, node.config.confirmations - 1);
  const block = Math.max(0, (await node.blockNumber()) - depth);
  return signed !== null && (await node.nonceOf(sender, block)) > signed.nonce;
};

/** One look after a transaction that `findOutcome` has not found in a block. @param last what the look before returned */
export const tend = async (deps: TendingDeps, { record, ...last }: Tended): Promise<Tended> => {
  const looks = last.looks + 1;
  if (!(await isNonceSpent(deps.node, record))) {
    // the first sending waits for nothing
    if (looks > 1) await pushEarlier(deps, record);
    return { record: await push(deps, record), looks, looksWithout: 0 };
  }
  if (last.looksWithout + 1 < looksUntilLost) return { record, looks, looksWithout: last.looksWithout + 1 };
  return { record: await push(deps, await renew(deps, record)), looks, looksWithout: 0 };
};
