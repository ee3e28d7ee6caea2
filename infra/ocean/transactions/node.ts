/** What sending asks of a chain's node; each call is one question, answers are told apart here. */

import { isError, type JsonRpcProvider } from 'ethers';
import { JobFailure } from '../../../workflows/contract/failures.ts';
import { chainFailure, connectChain, readReceipt, type ChainReceipt } from '../chains.ts';
import type { ChainConfig } from '../config.ts';
import type { GasPrice } from './gasPrice.ts';

/** A call as it would be sent. */
export interface CallToSend {
  readonly from: string;
  readonly to: string;
  readonly data: string;
  readonly value: bigint;
}

/** Every method throws JobFailure ChainUnavailable when the node does not answer. */
export interface TransactionNode {
  readonly config: ChainConfig;
  blockNumber(): Promise<number>;
  /** The sender's next nonce, waiting transactions included, or as of a block. */
  nonceOf(address: string, block: 'pending' | number): Promise<number>;
  balanceOf(address: string): Promise<bigint>;
  gasPrice(): Promise<GasPrice>;
  /** @throws JobFailure TransactionReverted with the contract's reason */
  estimateGas(call: CallToSend): Promise<bigint>;
  /** Why the call fails as of a block; null when it does not. */
  reasonOf(call: CallToSend, block: number): Promise<string | null>;
  /** Hands signed bytes to the network. What it thinks of them is not told: only a receipt counts. */
  broadcast(raw: string): Promise<void>;
  receipt(hash: string): Promise<ChainReceipt | null>;
  close(): void;
}

/** The reason that a contract gave, or null when the error is something else. */
const revertReason = (err: unknown): string | null => {
  if (!isError(err, 'CALL_EXCEPTION')) return null;
  return err.reason ?? err.revert?.name ?? 'it names no reason';
};

/** The failure of a transaction that a contract refused, whether it was sent or not. */
export const revertedFailure = (chainId: number, reason: string): JobFailure =>
  new JobFailure('TransactionReverted', `a contract on chain ${chainId} refused the transaction: ${reason}`);

const readPrice = async (provider: JsonRpcProvider): Promise<GasPrice> => {
  const { maxFeePerGas, maxPriorityFeePerGas, gasPrice } = await provider.getFeeData();
  const price = gasPrice ?? 0n;
  const hasBaseFee = maxFeePerGas !== null;
  return { hasBaseFee, maxFeePerGas: maxFeePerGas ?? price, maxPriorityFeePerGas: hasBaseFee ? (maxPriorityFeePerGas ?? 0n) : price };
};

/** Opens a chain for sending; no connection is made before the first call. */
export const openNode = (config: ChainConfig): TransactionNode => {
  const provider = connectChain(config);
  const guard = async <Value>(ask: () => Promise<Value>): Promise<Value> => {
    try {
      return await ask();
    } catch (err) {
      const reason = revertReason(err);
      throw reason === null ? chainFailure(config.chainId, err) : revertedFailure(config.chainId, reason);
    }
  };
  return {
    config,
    blockNumber: () => guard(() => provider.getBlockNumber()),
    nonceOf: (address, block) => guard(() => provider.getTransactionCount(address, block)),
    balanceOf: (address) => guard(() => provider.getBalance(address)),
    gasPrice: () => guard(() => readPrice(provider)),
    estimateGas: (call) => guard(() => provider.estimateGas(call)),
    reasonOf: async (call, block) => {
      try {
        await provider.call({ ...call, blockTag: block });
        return null;
      } catch (err) {
        return revertReason(err);
      }
    },
    broadcast: async (raw) => {
      // refused, known already, or an answer that got lost: the caller looks for a receipt either way, and sends again
      await provider.send('eth_sendRawTransaction', [raw]).catch(() => undefined);
    },
    receipt: (hash) => guard(() => readReceipt(provider, hash)),
    close: () => provider.destroy(),
  };
};
