/** The transactions that make an asset: NFT and datatoken, the document, the NFT's new owner. Each is sent once for ever. */

import { createHash } from 'node:crypto';
import { ZeroAddress, getAddress, hexlify, parseUnits } from 'ethers';
import { JobFailure } from '../../../workflows/contract/failures.ts';
import { factoryAbi, nftAbi } from '../abi.ts';
import type { ChainConfig } from '../config.ts';
import { isSameId } from '../ids.ts';
import type { SentTransaction, Transactions } from '../transactions/transactions.ts';

export interface AssetTransactionsDeps {
  readonly chains: ReadonlyMap<number, Pick<ChainConfig, 'erc721FactoryAddress'>>;
  readonly transactions: Pick<Transactions, 'sender' | 'sendOnce'>;
}

/** Which job's asset, and where. */
export interface AssetPlace {
  readonly jobId: string;
  readonly chainId: number;
}

/** What the tokens are made with. */
export interface TokenTerms {
  readonly name: string;
  /** ids of the factory's templates */
  readonly nftTemplate: number;
  readonly datatokenTemplate: number;
}

/** Every method throws JobFailure as `sendOnce` does, and may be repeated: a transaction of a job is sent once. */
export interface AssetChain {
  /** checksummed; owns the NFT until it is handed over */
  readonly sender: string;
  createTokens(
    place: AssetPlace,
    terms: TokenTerms,
  ): Promise<{ readonly nftAddress: string; readonly datatokenAddress: string; readonly hash: string }>;
  /** Writes the document as it is into the NFT, as active. */
  writeDocument(
    place: AssetPlace,
    written: { readonly nftAddress: string; readonly document: string; readonly serviceEndpoint: string },
  ): Promise<string>;
  /** Transfers the NFT; the contracts take all roles on NFT and datatoken from this service with it. */
  handOver(place: AssetPlace, given: { readonly nftAddress: string; readonly owner: string }): Promise<string>;
}

/** Of the first datatoken template it is the most that may ever be minted. */
const cap = parseUnits('1000000000', 18);
const symbol = { nft: 'C2D-NFT', datatoken: 'C2D-DT' };
const noFee = 0n;
const active = 0;
const plainDocument = '0x00';

const keyOf = ({ jobId }: AssetPlace, step: string): string => `asset/${jobId}/${step}`;

/** An event of `emitter` itself: a template may emit anything. */
const addressFrom = ({ receipt }: SentTransaction, emitter: string, event: string): string => {
  for (const { address, topics, data } of receipt.logs) {
    const parsed = isSameId(address, emitter) ? factoryAbi.parseLog({ topics: [...topics], data }) : null;
    if (parsed?.name === event) return getAddress(String(parsed.args[0]));
  }
  throw new JobFailure('TransactionReverted', `the factory did not tell of a new token (${event})`);
};

const requireFactory = ({ chains }: AssetTransactionsDeps, chainId: number): string => {
  const chain = chains.get(chainId);
  if (chain === undefined) throw new JobFailure('RequestInvalid', `chain ${chainId}, on which assets are to be made, is not served`);
  return chain.erc721FactoryAddress;
};

const encodeTokens = (owner: string, { name, nftTemplate, datatokenTemplate }: TokenTerms): string =>
  factoryAbi.encodeFunctionData('createNftWithErc20', [
    { name, symbol: symbol.nft, templateIndex: nftTemplate, tokenURI: '', transferable: true, owner },
    {
      templateIndex: datatokenTemplate,
      strings: [name, symbol.datatoken],
      addresses: [owner, owner, ZeroAddress, ZeroAddress],
      uints: [cap, noFee],
      bytess: [],
    },
  ]);

/** Assets on any of the chains, paid for by the key of `transactions`. */
export const createAssetChain = (deps: AssetTransactionsDeps): AssetChain => {
  const { sender, sendOnce } = deps.transactions;
  const callNft = async (place: AssetPlace, step: string, call: { nftAddress: string; method: string; args: readonly unknown[] }) => {
    const data = nftAbi.encodeFunctionData(call.method, call.args);
    return (await sendOnce({ key: keyOf(place, step), chainId: place.chainId, to: call.nftAddress, data })).hash;
  };
  return {
    sender,
    async createTokens(place, terms) {
      const factory = requireFactory(deps, place.chainId);
      const data = encodeTokens(sender, terms);
      const sent = await sendOnce({ key: keyOf(place, 'nft'), chainId: place.chainId, to: factory, data });
      const nftAddress = addressFrom(sent, factory, 'NFTCreated');
      // the datatoken is announced by whoever deploys it, which is the factory as well
      return { nftAddress, datatokenAddress: addressFrom(sent, factory, 'TokenCreated'), hash: sent.hash };
    },
    writeDocument(place, { nftAddress, document, serviceEndpoint }) {
      const bytes = Buffer.from(document, 'utf8');
      const hash = `0x${createHash('sha256').update(bytes).digest('hex')}`;
      const args = [active, serviceEndpoint, sender, plainDocument, hexlify(bytes), hash, []];
      return callNft(place, 'metadata', { nftAddress, method: 'setMetaData', args });
    },
    handOver: (place, { nftAddress, owner }) =>
      callNft(place, 'transfer', { nftAddress, method: 'transferFrom', args: [sender, owner, 1n] }),
  };
};
