/** Signs transactions. Pure: nothing is asked, nothing is sent. */

import { SigningKey, Transaction } from 'ethers';
import type { TransactionAttempt, TransactionCall } from '../../ledger/transactions.ts';
import type { GasPrice } from './gasPrice.ts';

/** All of a transaction but its nonce. */
export interface Unsigned {
  readonly chainId: number;
  readonly call: TransactionCall;
  readonly price: GasPrice;
  readonly nowMs: number;
}

/** @param privateKey 0x hex; it leaves no trace in the result */
export const signAttempt = (privateKey: string, { chainId, call, price, nowMs }: Unsigned, nonce: number): TransactionAttempt => {
  const { to, data, value, gasLimit } = call;
  const { hasBaseFee, maxFeePerGas, maxPriorityFeePerGas } = price;
  const offer = hasBaseFee ? { type: 2, maxFeePerGas, maxPriorityFeePerGas } : { type: 0, gasPrice: maxFeePerGas };
  const signed = Transaction.from({ ...offer, chainId, nonce, to, data, value, gasLimit });
  signed.signature = new SigningKey(privateKey).sign(signed.unsignedHash);
  return {
    ...{ nonce, hash: signed.hash ?? '', raw: signed.serialized, signedAtMs: nowMs },
    ...{ maxFeePerGas: maxFeePerGas.toString(), maxPriorityFeePerGas: maxPriorityFeePerGas.toString() },
  };
};
