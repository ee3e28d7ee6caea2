/** Makes assets of jobs' outputs on chain, step by step. */

import { formatEther } from 'ethers';
import { JobFailure } from '../../../workflows/contract/failures.ts';
import { encryptTo } from '../ecies.ts';
import { sealResults } from '../fileObject.ts';
import { highestCost } from '../transactions/gasPrice.ts';
import type { TransactionNode } from '../transactions/node.ts';
import { createAssetChain, type AssetChain, type AssetTransactionsDeps } from './assetTransactions.ts';
import { buildAssetDocument, type NewAsset } from './newAsset.ts';

export interface AssetMakerDeps {
  readonly transactions: AssetTransactionsDeps['transactions'];
  readonly nodes: ReadonlyMap<number, Pick<TransactionNode, 'config' | 'gasPrice' | 'balanceOf'>>;
  /** of this service: opens the files */
  readonly publicKey: string;
}

/** A document to write; its files are those of the job's results that it lists. */
export type AssetToWrite = Omit<NewAsset, 'sealedFiles'>;

export interface AssetMaker extends Pick<AssetChain, 'sender' | 'createTokens' | 'handOver'> {
  /** Encrypts the list of files and writes the document. @throws JobFailure as `sendOnce`; RequestInvalid for one that is too large */
  writeDocument(asset: AssetToWrite): Promise<{ readonly did: string; readonly hash: string }>;
  /**
   * Passes when the key can pay for one asset at today's gas price.
   * @throws JobFailure KeyNeedsFunds, final; ChainUnavailable; RequestInvalid for a chain that is not served
   */
  requireFunds(chainId: number): Promise<void>;
}

/** What the three transactions need together, with room for a long document. */
const gasOfAsset = 3_000_000n;
/** Nodes take no larger transaction than 128 KiB. */
const longestDocument = 100 * 1024;

const seal = ({ nftAddress, datatokenAddress, job, files }: AssetToWrite, publicKey: string): string => {
  const names = files.map(({ filename }) => filename);
  const plaintext = { datatokenAddress, nftAddress, files: [sealResults(job.jobId, names)] };
  return encryptTo(publicKey, Buffer.from(JSON.stringify(plaintext)));
};

/** Assets on all chains of `nodes`. */
export const createAssetMaker = ({ transactions, nodes, publicKey }: AssetMakerDeps): AssetMaker => {
  const chains = new Map([...nodes].map(([chainId, { config }]) => [chainId, config]));
  const chain = createAssetChain({ transactions, chains });
  return {
    sender: chain.sender,
    createTokens: (place, terms) => chain.createTokens(place, terms),
    handOver: (place, given) => chain.handOver(place, given),
    async writeDocument(asset) {
      const { chainId, nftAddress, serviceEndpoint, job } = asset;
      const { did, document } = buildAssetDocument({ ...asset, sealedFiles: seal(asset, publicKey) });
      if (Buffer.byteLength(document) > longestDocument) {
        throw new JobFailure(
          'RequestInvalid',
          'the document of the asset is too large for the chain: name fewer addresses or algorithms in it',
        );
      }
      return { did, hash: await chain.writeDocument({ jobId: job.jobId, chainId }, { nftAddress, document, serviceEndpoint }) };
    },
    async requireFunds(chainId) {
      const node = nodes.get(chainId);
      if (node === undefined) throw new JobFailure('RequestInvalid', `chain ${chainId}, on which assets are to be made, is not served`);
      const [price, balance] = await Promise.all([node.gasPrice(), node.balanceOf(chain.sender)]);
      const cost = highestCost(price, { gasLimit: gasOfAsset, value: 0n });
      if (balance >= cost) return;
      throw new JobFailure(
        'KeyNeedsFunds',
        `the outputs cannot become an asset: the key ${chain.sender} of this service has ${formatEther(balance)} on chain ${chainId}, and making one may cost ${formatEther(cost)}`,
      );
    },
  };
};
