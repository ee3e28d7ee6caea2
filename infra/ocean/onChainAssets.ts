/** Assets straight from one chain: the newest document of an NFT, its state and its owner. */

import { getAddress } from 'ethers';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { factoryAbi, nftAbi, topicOf } from './abi.ts';
import { createAssetIndex, type AssetIndex, type IndexedNft } from './assetIndex.ts';
import type { ChainLog, ChainReader } from './chains.ts';
import { parseDdo, type Ddo } from './ddo.ts';
import type { Decrypter } from './ecies.ts';
import { readMetadataLog } from './metadataLog.ts';

/** What the chain itself says about an NFT, whatever a document claims. */
export interface NftFacts {
  /** 0 active · 1 end of life · 2 deprecated · 3 revoked · 4 ordering disabled · 5 unlisted */
  readonly state: number;
  /** checksummed owner of token 1 */
  readonly owner: string;
}

/** An asset as it stands now. */
export interface Asset extends NftFacts {
  readonly ddo: Ddo;
}

export interface OnChainAssets {
  readonly index: AssetIndex;
  /** @returns null when no NFT of the factory has that DID, or its document is of another version */
  resolve(did: string, didHash: string): Promise<Asset | null>;
  /** @returns null when the NFT is not of the configured factory, or has no document */
  facts(nftAddress: string): Promise<NftFacts | null>;
}

const metadataTopics = [topicOf(nftAbi, 'MetadataCreated'), topicOf(nftAbi, 'MetadataUpdated')];
const unsettledBlocks = 64;
const mostDocuments = 5_000;

interface ReadDocument {
  /** newest log of a block that cannot be reorganised any more */
  readonly settledLog: ChainLog | null;
  readonly settledThrough: number;
  readonly newest: ChainLog;
  readonly ddo: Ddo;
}

const isSameLog = (a: ChainLog, b: ChainLog): boolean =>
  a.transactionHash === b.transactionHash && a.index === b.index && a.blockNumber === b.blockNumber;

const createDocumentReader = (chain: ChainReader, decrypter: Decrypter) => {
  const read = new Map<string, ReadDocument>();
  /** The newest document of an NFT; reads only blocks that were not read before. */
  return async ({ nftAddress, createdInBlock }: IndexedNft): Promise<Ddo | null> => {
    const before = read.get(nftAddress);
    const fromBlock = before === undefined ? createdInBlock : before.settledThrough + 1;
    const [height, logs] = await Promise.all([chain.blockNumber(), chain.logs({ address: nftAddress, topics: metadataTopics, fromBlock })]);
    const newest = logs.at(-1) ?? before?.settledLog;
    if (newest === undefined || newest === null) return null;
    const settledThrough = Math.max(fromBlock - 1, height - unsettledBlocks);
    const settledLog = logs.findLast((log) => log.blockNumber <= settledThrough) ?? before?.settledLog ?? null;
    const isKnown = before !== undefined && isSameLog(before.newest, newest);
    const ddo = isKnown ? before.ddo : parseDdo(await readMetadataLog(newest, decrypter));
    if (ddo === null) throw new JobFailure('AssetNotFound', "the asset's document on chain is malformed");
    if (read.size >= mostDocuments) read.delete(read.keys().next().value ?? '');
    read.delete(nftAddress);
    read.set(nftAddress, { settledLog, settledThrough, newest, ddo });
    return ddo;
  };
};

/** Reads assets of one chain. */
export const createOnChainAssets = (chain: ChainReader, decrypter: Decrypter): OnChainAssets => {
  const index = createAssetIndex(chain);
  const readDocument = createDocumentReader(chain, decrypter);
  const facts: OnChainAssets['facts'] = async (nftAddress) => {
    const [listed, metadata, owner] = await Promise.all([
      chain.call(chain.config.erc721FactoryAddress, factoryAbi, 'erc721List', [nftAddress]),
      chain.call(nftAddress, nftAbi, 'getMetaData', []),
      chain.call(nftAddress, nftAbi, 'ownerOf', [1]),
    ]);
    if (listed === null || getAddress(String(listed[0])) !== getAddress(nftAddress)) return null;
    if (metadata === null || owner === null) return null;
    return { state: Number(metadata[2]), owner: getAddress(String(owner[0])) };
  };
  return {
    index,
    facts,
    resolve: async (did, didHash) => {
      const nft = await index.find(didHash);
      if (nft === null) return null;
      const [ddo, found] = await Promise.all([readDocument(nft), facts(nft.nftAddress)]);
      if (ddo === null || found === null) return null;
      const isAsked = ddo.did === did && ddo.chainId === chain.config.chainId && ddo.nftAddress === nft.nftAddress;
      return isAsked ? { ddo, ...found } : null;
    },
  };
};
