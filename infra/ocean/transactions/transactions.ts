/** The service's own transactions: each is sent once, whatever happens to the process that sends it. */

import { setTimeout as sleep } from 'node:timers/promises';
import { formatEther } from 'ethers';
import { JobFailure } from '../../../workflows/contract/failures.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import type { TransactionLog, TransactionOutcome, TransactionRecord } from '../../ledger/transactions.ts';
import { addressOf } from '../providerFees.ts';
import { gasLimitOf, highestCost } from './gasPrice.ts';
import { findOutcome } from './findOutcome.ts';
import { revertedFailure, type TransactionNode } from './node.ts';
import { signAttempt } from './signAttempt.ts';
import { tend, type Tended, type TendingDeps } from './tend.ts';

export interface TransactionRequest {
  /** names the purpose, for ever: `lock/<jobId>`; not longer than 200 characters */
  readonly key: string;
  readonly chainId: number;
  /** the contract */
  readonly to: string;
  /** encoded call, 0x hex */
  readonly data: string;
  /** in base units of the chain's currency; 0 by default */
  readonly value?: bigint;
  /** estimated by default */
  readonly gasLimit?: bigint;
}

/** A transaction that is mined, succeeded, and lies as deep as the chain's configuration demands. */
export interface SentTransaction {
  readonly hash: string;
  readonly receipt: { readonly blockNumber: number; readonly logs: readonly TransactionLog[] };
}

export interface Transactions {
  /** checksummed address of the key that sends */
  readonly sender: string;
  /**
   * Sends the transaction of a key, once for ever: it is signed and stored before it is sent, and of any number of calls
   * with the same key, in any processes and also after a crash, the first one counts. Later ones get its end, whatever
   * they ask for. Call it again after every failure that says when to.
   *
   * It is sent again while the network does not know it, at a higher gas price when nobody mines it, and under another
   * nonce when somebody else has used its own with the same key.
   * @throws JobFailure TransactionReverted with the contract's reason. Refused before it was sent, it may be tried again
   *   under its key; refused in a block, it has ended
   * @throws JobFailure KeyNeedsFunds, TransactionPending, ChainUnavailable, with a time to try again
   */
  sendOnce(request: TransactionRequest): Promise<SentTransaction>;
  /**
   * Gives a key up. Afterwards its transaction has either ended or will never be sent.
   * @returns the transaction where it was sent and succeeded, null where it did and will do nothing
   * @throws JobFailure TransactionPending, ChainUnavailable, with a time to try again
   */
  giveUp(key: string, chainId: number): Promise<SentTransaction | null>;
  close(): void;
}

type TransactionLedger = TendingDeps['ledger'] &
  Pick<Ledger, 'findTransaction' | 'reserveTransaction' | 'giveUpTransaction' | 'settleTransaction'>;

/** Durations in milliseconds. */
export interface TransactionPatience {
  /** how long one call waits for the end of a transaction */
  readonly waitMs: number;
  /** between two looks after a transaction that is not mined: whether it is known, mined by a stranger, stuck */
  readonly tendMs: number;
  /** after which a transaction that is not mined is replaced at a higher price */
  readonly replaceMs: number;
}

export interface TransactionsDeps {
  readonly nodes: ReadonlyMap<number, TransactionNode>;
  readonly ledger: TransactionLedger;
  readonly privateKey: string;
  readonly patience?: TransactionPatience;
}

const usualPatience: TransactionPatience = { waitMs: 60_000, tendMs: 3_000, replaceMs: 60_000 };
const shortestPollMs = 20;
const longestPollMs = 1_000;
const lookAgainSeconds = 3;
const fundsAgainSeconds = 30;

const requireNode = (nodes: TransactionsDeps['nodes'], chainId: number): TransactionNode => {
  const node = nodes.get(chainId);
  if (node === undefined) throw new JobFailure('RequestInvalid', `chain ${chainId} is not served`);
  return node;
};

const sentOf = ({ hash, blockNumber, logs }: TransactionOutcome): SentTransaction => ({ hash, receipt: { blockNumber, logs } });

/** Everything that can be known before a nonce is taken: that the contract agrees, and that the key can pay. */
const reserve = async (deps: TransactionsDeps, node: TransactionNode, request: TransactionRequest): Promise<TransactionRecord> => {
  const { key, chainId, to, data, value = 0n } = request;
  const sender = addressOf(deps.privateKey);
  const [price, balance, chainNonce, gasLimit] = await Promise.all([
    node.gasPrice(),
    node.balanceOf(sender),
    node.nonceOf(sender, 'pending'),
    request.gasLimit ?? node.estimateGas({ from: sender, to, data, value }).then(gasLimitOf),
  ]);
  const cost = highestCost(price, { gasLimit, value });
  if (balance < cost) {
    const text = `the key ${sender} on chain ${chainId} needs funds: it has ${formatEther(balance)}, and a transaction may cost ${formatEther(cost)}`;
    throw new JobFailure('KeyNeedsFunds', text, { retryAfterSeconds: fundsAgainSeconds });
  }
  const call = { to, data, value: value.toString(), gasLimit: gasLimit.toString() };
  return deps.ledger.reserveTransaction({
    owner: { key, chainId, sender: sender.toLowerCase() },
    ...{ call, chainNonce },
    sign: (nonce) => signAttempt(deps.privateKey, { chainId, call, price, nowMs: Date.now() }, nonce),
  });
};

/** Sends what is signed and stays with it until it has ended, or patience has. */
const follow = async (deps: TransactionsDeps, node: TransactionNode, reserved: TransactionRecord): Promise<TransactionOutcome> => {
  const { waitMs, tendMs, replaceMs } = deps.patience ?? usualPatience;
  const tending: TendingDeps = { node, ledger: deps.ledger, privateKey: deps.privateKey, replaceMs };
  const deadline = Date.now() + waitMs;
  let tended: Tended = { record: reserved, looks: 0, looksWithout: 0 };
  let tendAt = 0;
  for (let pollMs = shortestPollMs; ; pollMs = Math.min(longestPollMs, pollMs * 1.5)) {
    const found = await findOutcome(node, tended.record);
    if (found.kind === 'ended') {
      await deps.ledger.settleTransaction(reserved.key, found.outcome);
      return found.outcome;
    }
    if (found.kind === 'unmined' && Date.now() >= tendAt) {
      tended = await tend(tending, tended);
      tendAt = Date.now() + tendMs;
    }
    if (Date.now() > deadline) throw pendingFailure(tended.record);
    await sleep(pollMs);
  }
};

const pendingFailure = ({ chainId, signed }: TransactionRecord): JobFailure =>
  new JobFailure('TransactionPending', `transaction ${signed?.attempts.at(-1)?.hash} on chain ${chainId} waits to be mined`, {
    retryAfterSeconds: lookAgainSeconds,
  });

/** Transactions of one key on any of the chains. */
export const createTransactions = (deps: TransactionsDeps): Transactions => {
  const { nodes, ledger, privateKey } = deps;
  const sender = addressOf(privateKey);
  const endOf = async (record: TransactionRecord): Promise<TransactionOutcome> => {
    if (record.signed === null) throw new JobFailure('RequestInvalid', `transaction ${record.key} was given up`);
    return record.outcome ?? follow(deps, requireNode(nodes, record.chainId), record);
  };
  return {
    sender,
    async sendOnce(request) {
      const known = await ledger.findTransaction(request.key);
      const outcome = await endOf(known ?? (await reserve(deps, requireNode(nodes, request.chainId), request)));
      if (!outcome.succeeded) throw revertedFailure(request.chainId, outcome.reason ?? 'it names no reason');
      return sentOf(outcome);
    },
    async giveUp(key, chainId) {
      const record = await ledger.giveUpTransaction({ key, chainId, sender: sender.toLowerCase() });
      if (record === null) return null;
      const outcome = await endOf(record);
      return outcome.succeeded ? sentOf(outcome) : null;
    },
    close: () => nodes.forEach((node) => node.close()),
  };
};
