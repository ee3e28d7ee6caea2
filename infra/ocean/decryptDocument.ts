/** Opens documents of assets that were encrypted to this provider, for metadata caches and other nodes. */

import { getAddress, getBytes, hexlify } from 'ethers';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { factoryAbi, nftAbi, topicOf } from './abi.ts';
import type { ChainReader } from './chains.ts';
import type { Decrypter } from './ecies.ts';
import { sha256Hex } from './ids.ts';
import { unpackXz } from './metadataLog.ts';

/** A document as it stands in an event, or as the caller copied it from one. */
export type EncryptedDocument =
  | { readonly transactionId: string }
  | {
      /** 0x hex */
      readonly encryptedDocument: string;
      /** bit 0: .xz, bit 1: ECIES */
      readonly flags: number;
      /** sha256 of the plaintext, hex */
      readonly documentHash: string;
    };

export interface DecryptRequest {
  readonly chainId: number;
  readonly nftAddress: string;
  readonly decrypterAddress: string;
  /** who may ask; empty: everybody */
  readonly authorizedDecrypters: readonly string[];
  /** null: the caller named neither */
  readonly document: EncryptedDocument | null;
}

export interface DecryptDeps {
  readonly chains: ReadonlyMap<number, ChainReader>;
  readonly decrypter: Decrypter;
}

interface Packed {
  readonly data: string;
  readonly flags: number;
  /** lower-case hex without 0x */
  readonly hash: string;
}

const refuse = (message: string): never => {
  throw new JobFailure('RequestInvalid', message);
};

const compressedFlag = 1;
const encryptedFlag = 2;
const topics = [topicOf(nftAbi, 'MetadataCreated'), topicOf(nftAbi, 'MetadataUpdated')];

const withoutPrefix = (hex: string): string => hex.replace(/^0x/i, '').toLowerCase();

const readArguments = (document: Exclude<EncryptedDocument, { readonly transactionId: string }>): Packed => {
  const { encryptedDocument, flags, documentHash } = document;
  const [data, hash] = [withoutPrefix(encryptedDocument), withoutPrefix(documentHash)];
  const isHex = /^(?:[0-9a-f]{2})+$/.test(data) && /^[0-9a-f]{64}$/.test(hash);
  return isHex ? { data: `0x${data}`, flags, hash } : refuse('Failed to convert input args to bytes.');
};

/** The newest document that the NFT itself announced in this transaction. */
const readTransaction = async (chain: ChainReader, transactionId: string, nftAddress: string): Promise<Packed> => {
  if (!/^0x[0-9a-f]{64}$/i.test(transactionId)) return refuse('Failed to process transaction id.');
  const receipt = await chain.receipt(transactionId);
  const log = receipt?.logs.findLast(
    ({ address, topics: [topic = ''] }) => address.toLowerCase() === nftAddress.toLowerCase() && topics.includes(topic),
  );
  const event = log === undefined || receipt?.succeeded !== true ? null : nftAbi.parseLog(log);
  if (event === null) return refuse('Failed to process transaction id.');
  const { flags, data, metaDataHash } = event.args.toObject() as { flags: string; data: string; metaDataHash: string };
  return { data: hexlify(data), flags: getBytes(flags)[0] ?? 0, hash: withoutPrefix(metaDataHash) };
};

const openStates = new Set([0, 4, 5]);
const closedStates: Readonly<Record<number, string>> = { 1: 'Asset end of life', 2: 'Asset deprecated', 3: 'Asset revoked' };

const requireOpenState = async (chain: ChainReader, nftAddress: string): Promise<void> => {
  const state = Number((await chain.call(nftAddress, nftAbi, 'getMetaData', []))?.[2] ?? -1);
  if (openStates.has(state)) return;
  const text = closedStates[state];
  if (text === undefined) refuse('Invalid MetadataState');
  else throw new JobFailure('AccessDenied', text);
};

const unpack = async (packed: Uint8Array): Promise<Uint8Array> => {
  try {
    return await unpackXz(packed);
  } catch {
    return refuse('Failed to decompress');
  }
};

const open = async ({ data, flags, hash }: Packed, decrypter: Decrypter): Promise<Uint8Array> => {
  const opened = (flags & encryptedFlag) === 0 ? getBytes(data) : decrypter.decrypt(data);
  if (opened === null) return refuse('Failed to decrypt.');
  const document = (flags & compressedFlag) === 0 ? opened : await unpack(opened);
  // files of services are encrypted to the same key: without its hash nobody learns a plaintext
  return sha256Hex(document) === hash ? document : refuse("Checksum doesn't match.");
};

/**
 * Decrypts the document of an NFT.
 * @throws JobFailure RequestInvalid and AccessDenied with the texts of Ocean Provider, in its order; ChainUnavailable
 */
export const createDocumentDecrypter = ({ chains, decrypter }: DecryptDeps) =>
  async function decryptDocument(request: DecryptRequest): Promise<Uint8Array> {
    const { chainId, nftAddress, decrypterAddress, authorizedDecrypters, document } = request;
    const chain = chains.get(chainId) ?? refuse(`Unsupported chain ID ${chainId}`);
    const isAuthorized =
      authorizedDecrypters.length === 0 || authorizedDecrypters.some((one) => one.toLowerCase() === decrypterAddress.toLowerCase());
    if (!isAuthorized) throw new JobFailure('AccessDenied', 'Decrypter not authorized');
    const listed = await chain.call(chain.config.erc721FactoryAddress, factoryAbi, 'erc721List', [nftAddress]);
    if (listed === null || getAddress(String(listed[0])) !== getAddress(nftAddress)) {
      refuse('Asset not deployed by the data NFT factory.');
    }
    if (document === null) return refuse('Failed to convert input args to bytes.');
    const packed = 'transactionId' in document ? await readTransaction(chain, document.transactionId, nftAddress) : readArguments(document);
    await requireOpenState(chain, nftAddress);
    return open(packed, decrypter);
  };
