/** Reading chains: few calls, no state, and one kind of outage. */

import { FetchRequest, JsonRpcProvider, Network, isError, type Interface, type Result } from 'ethers';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { smartAccountAbi } from './abi.ts';
import type { ChainConfig } from './config.ts';
import type { SmartAccounts } from './signatures.ts';

/** A log as it stands in a block. */
export interface ChainLog {
  /** checksummed address of the contract that emitted it; the only thing that tells a real event from a copy */
  readonly address: string;
  readonly topics: readonly string[];
  readonly data: string;
  readonly blockNumber: number;
  readonly transactionHash: string;
  readonly index: number;
}

/** A mined transaction. */
export interface ChainReceipt {
  readonly hash: string;
  readonly from: string;
  /** null for a deployment */
  readonly to: string | null;
  readonly succeeded: boolean;
  readonly blockNumber: number;
  readonly logs: readonly ChainLog[];
}

export interface ChainBlock {
  readonly number: number;
  readonly timestamp: number;
}

export interface LogQuery {
  readonly address: string;
  /** any of these as topic0 */
  readonly topics: readonly string[];
  readonly fromBlock: number;
  /** absent: the newest block */
  readonly toBlock?: number;
}

/** One chain. Every method throws JobFailure ChainUnavailable when the node does not answer. */
export interface ChainReader extends SmartAccounts {
  readonly config: ChainConfig;
  blockNumber(): Promise<number>;
  /** newest block; its time in seconds since the epoch */
  latestBlock(): Promise<ChainBlock>;
  /** @returns null when the contract refuses, has no such function or does not exist */
  call(to: string, abi: Interface, method: string, args: readonly unknown[]): Promise<Result | null>;
  /** Raw call data, raw answer; null when refused. */
  callRaw(to: string, data: string): Promise<string | null>;
  /** Oldest first; long ranges are split as the node demands. */
  logs(query: LogQuery): Promise<readonly ChainLog[]>;
  /** @returns null for a transaction that is not mined */
  receipt(hash: string): Promise<ChainReceipt | null>;
  /** True when the node has the transaction, mined or waiting. */
  knowsTransaction(hash: string): Promise<boolean>;
  /** Resolves when the node answers for the configured chain. */
  check(): Promise<void>;
  close(): void;
}

const requestTimeoutMs = 10_000;
const smallestLogRange = 16;
const magicValue = '0x1626ba7e';

/** A node that does not answer, or not sensibly. The cause may hold its address: it is for logs of the service only. */
export const chainFailure = (chainId: number, cause: unknown): JobFailure =>
  new JobFailure('ChainUnavailable', `chain ${chainId} cannot be read at the moment`, { retryAfterSeconds: 1, cause });

/** A node that answers, but refuses this range: public nodes limit it, each with its own text. */
const isRangeRefused = (err: unknown): boolean => {
  if (isError(err, 'SERVER_ERROR')) return (err.response?.statusCode ?? 500) < 500 && err.response?.statusCode !== 429;
  return isError(err, 'UNKNOWN_ERROR') || isError(err, 'BAD_DATA');
};

/** A node by its address; nothing is asked yet. */
export const connectChain = ({ chainId, rpcUrl }: ChainConfig): JsonRpcProvider => {
  const request = new FetchRequest(rpcUrl);
  request.timeout = requestTimeoutMs;
  const network = Network.from(chainId);
  return new JsonRpcProvider(request, network, { staticNetwork: network, cacheTimeout: -1, pollingInterval: 50, batchStallTime: 0 });
};

type Guard = <Value>(read: () => Promise<Value>) => Promise<Value>;

const createGuard =
  (chainId: number): Guard =>
  async (read) => {
    try {
      return await read();
    } catch (err) {
      throw chainFailure(chainId, err);
    }
  };

const createLogReader = (provider: JsonRpcProvider) => {
  let longestRange = Number.MAX_SAFE_INTEGER;
  const readRange = ({ address, topics }: LogQuery, fromBlock: number, toBlock: number | 'latest'): Promise<readonly ChainLog[]> =>
    provider.getLogs({ address, topics: [[...topics]], fromBlock, toBlock });
  return async (query: LogQuery): Promise<readonly ChainLog[]> => {
    if (query.toBlock === undefined && longestRange === Number.MAX_SAFE_INTEGER) {
      try {
        return await readRange(query, query.fromBlock, 'latest');
      } catch (err) {
        if (!isRangeRefused(err)) throw err;
        longestRange = 1_000_000;
      }
    }
    const last = query.toBlock ?? (await provider.getBlockNumber());
    const found: ChainLog[] = [];
    let from = query.fromBlock;
    while (from <= last) {
      const to = Math.min(last, from + longestRange - 1);
      try {
        found.push(...(await readRange(query, from, to)));
        from = to + 1;
      } catch (err) {
        if (!isRangeRefused(err) || longestRange <= smallestLogRange) throw err;
        longestRange = Math.max(smallestLogRange, Math.floor(Math.min(longestRange, to - from + 1) / 4));
      }
    }
    return found;
  };
};

/** @returns null for a transaction that is not mined */
export const readReceipt = async (provider: JsonRpcProvider, hash: string): Promise<ChainReceipt | null> => {
  const receipt = await provider.getTransactionReceipt(hash);
  if (receipt === null) return null;
  const { hash: mined, from, to, status, blockNumber, logs } = receipt;
  return { hash: mined, from, to, succeeded: status === 1, blockNumber, logs };
};

/**
 * Opens a chain; no connection is made before the first call. Calls of one moment travel in one request.
 */
export const openChain = (config: ChainConfig): ChainReader => {
  const provider = connectChain(config);
  const guard = createGuard(config.chainId);
  const readLogs = createLogReader(provider);
  const callRaw = (to: string, data: string): Promise<string | null> =>
    guard(async () => {
      try {
        return await provider.call({ to, data });
      } catch (err) {
        if (isError(err, 'CALL_EXCEPTION')) return null;
        throw err;
      }
    });
  const call: ChainReader['call'] = async (to, abi, method, args) => {
    const answer = await callRaw(to, abi.encodeFunctionData(method, args));
    if (answer === null || answer === '0x') return null;
    try {
      return abi.decodeFunctionResult(method, answer);
    } catch {
      return null;
    }
  };
  return {
    config,
    callRaw,
    call,
    blockNumber: () => guard(() => provider.getBlockNumber()),
    latestBlock: () =>
      guard(async () => {
        const block = await provider.getBlock('latest');
        if (block === null) throw new Error('the node has no block');
        return { number: block.number, timestamp: block.timestamp };
      }),
    logs: (query) => guard(() => readLogs(query)),
    knowsTransaction: (hash) => guard(async () => (await provider.getTransaction(hash)) !== null),
    receipt: (hash) => guard(() => readReceipt(provider, hash)),
    accepts: async (address, hash, signature) =>
      (await call(address, smartAccountAbi, 'isValidSignature', [hash, signature]))?.[0] === magicValue,
    check: async () => {
      const id = await guard(async () => Number(await provider.send('eth_chainId', [])));
      if (id !== config.chainId) throw new Error(`the node of chain ${config.chainId} serves chain ${id}`);
    },
    close: () => provider.destroy(),
  };
};
