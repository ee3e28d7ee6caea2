/** Locks, claims and releases payments of jobs in Ocean's escrow contract. */

import { JobFailure, isJobFailure } from '../../../workflows/contract/failures.ts';
import type { PaymentTerms } from '../../../workflows/contract/spec.ts';
import { escrowAbi, topicOf } from '../abi.ts';
import { isSameId, sha256Hex } from '../ids.ts';
import type { SentTransaction, Transactions } from '../transactions/transactions.ts';
import { costUnder } from './terms.ts';

/** What became of a lock: exactly one of the two transactions, or neither where nothing was left to take. */
export interface Settlement {
  readonly claimTx: string | null;
  readonly cancelTx: string | null;
  /** base units */
  readonly cost: string;
}

/** Every operation may be repeated, in any process: each transaction of a job is sent once. */
export interface Escrow {
  /**
   * Locks what the job may cost; resolves when the contract's event is confirmed.
   * @throws JobFailure PaymentInvalid where the contract refuses; KeyNeedsFunds, TransactionPending, ChainUnavailable
   */
  lock(jobId: string, terms: PaymentTerms): Promise<{ readonly lockTx: string }>;
  /** Takes the price of a run; the rest goes back. A lock that has expired pays nothing. */
  claim(jobId: string, terms: PaymentTerms, runSeconds: number): Promise<Settlement>;
  /** Gives the whole lock back, if there is one; afterwards there never will be. What was claimed stays claimed. */
  release(jobId: string, terms: PaymentTerms): Promise<Settlement>;
}

/** A job's number in the contract; clients know it as `jobIdHash`. */
export const escrowJobId = (jobId: string): bigint => BigInt(`0x${sha256Hex(jobId)}`);

const keyOf = (step: 'lock' | 'claim' | 'release', jobId: string): string => `${step}/${jobId}`;

const nothing: Settlement = { claimTx: null, cancelTx: null, cost: '0' };
const noProof = '0x';

/** The amount in the event of this job, in a transaction; null when there is no such event. */
const amountIn = (
  { receipt }: SentTransaction,
  { escrowAddress }: PaymentTerms,
  event: 'Lock' | 'Claimed',
  jobId: string,
): bigint | null => {
  for (const log of receipt.logs) {
    if (!isSameId(log.address, escrowAddress) || log.topics[0] !== topicOf(escrowAbi, event)) continue;
    const { jobId: number, amount } = escrowAbi.decodeEventLog(event, log.data, log.topics) as unknown as { jobId: bigint; amount: bigint };
    if (number === escrowJobId(jobId)) return amount;
  }
  return null;
};

const isReverted = (err: unknown): err is JobFailure => isJobFailure(err) && err.type === 'TransactionReverted';

/** Late, the contract gives the amount back instead: only the event tells. @see Ocean on chain §10 */
const settlementOf = (sent: SentTransaction, terms: PaymentTerms, jobId: string): Settlement => {
  const claimed = amountIn(sent, terms, 'Claimed', jobId);
  if (claimed === null || claimed === 0n) return { ...nothing, cancelTx: sent.hash };
  return { claimTx: sent.hash, cancelTx: null, cost: claimed.toString() };
};

/** The lock is gone: it expired, and somebody gave it back to its payer. */
const orNothing = (err: unknown): Settlement => {
  if (isReverted(err)) return nothing;
  throw err;
};

/** The contract as the payee calls it. */
export const createEscrow = ({ sendOnce, giveUp }: Pick<Transactions, 'sendOnce' | 'giveUp'>): Escrow => {
  const send = (step: 'lock' | 'claim' | 'release', jobId: string, terms: PaymentTerms, call: readonly [string, readonly unknown[]]) =>
    sendOnce({
      ...{ key: keyOf(step, jobId), chainId: terms.chainId, to: terms.escrowAddress },
      data: escrowAbi.encodeFunctionData(call[0], [escrowJobId(jobId), terms.token, terms.payer, ...call[1]]),
    });
  const release: Escrow['release'] = async (jobId, terms) => {
    const lock = await giveUp(keyOf('lock', jobId), terms.chainId);
    if (lock === null) return nothing;
    const claim = await giveUp(keyOf('claim', jobId), terms.chainId);
    if (claim !== null) return settlementOf(claim, terms, jobId);
    const released = send('release', jobId, terms, ['claimLock', [0n, noProof]]);
    return released.then((sent) => settlementOf(sent, terms, jobId)).catch(orNothing);
  };
  return {
    release,
    async lock(jobId, terms) {
      const sent = await send('lock', jobId, terms, ['createLock', [BigInt(terms.amount), terms.lockSeconds]]).catch((err: unknown) => {
        throw isReverted(err) ? new JobFailure('PaymentInvalid', err.message) : err;
      });
      if (amountIn(sent, terms, 'Lock', jobId) !== BigInt(terms.amount))
        throw new JobFailure('TransactionReverted', `the escrow contract of chain ${terms.chainId} locked nothing`);
      return { lockTx: sent.hash };
    },
    async claim(jobId, terms, runSeconds) {
      const cost = costUnder(terms, runSeconds);
      if (cost === 0n) return release(jobId, terms);
      const claimed = send('claim', jobId, terms, ['claimLockAndWithdraw', [cost, noProof]]);
      return claimed.then((sent) => settlementOf(sent, terms, jobId)).catch(orNothing);
    },
  };
};
