/** Which NFT a DID belongs to, from the factory's own `NFTCreated` events: a DID cannot be turned back into an address. */

import { getAddress } from 'ethers';
import { factoryAbi, topicOf } from './abi.ts';
import type { ChainReader } from './chains.ts';
import { computeDidHash } from './ids.ts';

/** An NFT of the configured factory. */
export interface IndexedNft {
  readonly nftAddress: string;
  readonly createdInBlock: number;
}

export interface AssetIndex {
  /**
   * Looks up a DID's 64 hex characters; reads the chain's new blocks when it is not known yet.
   * @throws JobFailure ChainUnavailable
   */
  find(didHash: string): Promise<IndexedNft | null>;
  /** Reads new blocks, so that later lookups need not. */
  refresh(): Promise<void>;
}

const nftCreated = topicOf(factoryAbi, 'NFTCreated');

/** Blocks that are read again, because a reorganisation may have replaced them. */
const unsettledBlocks = 64;

/** At most one run and one waiting run; a caller's run always begins after its call. */
const createCoalesced = (run: () => Promise<void>): (() => Promise<void>) => {
  let current: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  const start = (): Promise<void> => {
    const running = run().finally(() => {
      if (current === running) current = null;
    });
    current = running;
    return running;
  };
  return () => {
    if (current === null) return start();
    next ??= current
      .catch(() => undefined)
      .then(() => {
        next = null;
        return start();
      });
    return next;
  };
};

/** An index in memory, filled when first needed and kept up by reading new blocks only. */
export const createAssetIndex = (chain: ChainReader): AssetIndex => {
  const { chainId, erc721FactoryAddress, startBlock } = chain.config;
  const known = new Map<string, IndexedNft>();
  let settledThrough = startBlock - 1;
  const refresh = createCoalesced(async () => {
    const [newest, logs] = await Promise.all([
      chain.blockNumber(),
      chain.logs({ address: erc721FactoryAddress, topics: [nftCreated], fromBlock: settledThrough + 1 }),
    ]);
    for (const log of logs) {
      const event = factoryAbi.parseLog(log);
      if (event === null) continue;
      const nftAddress = getAddress(String(event.args[0]));
      known.set(computeDidHash(nftAddress, chainId), { nftAddress, createdInBlock: log.blockNumber });
    }
    settledThrough = Math.max(settledThrough, newest - unsettledBlocks);
  });
  return {
    refresh,
    find: async (didHash) => {
      const found = known.get(didHash);
      if (found !== undefined) return found;
      await refresh();
      return known.get(didHash) ?? null;
    },
  };
};
