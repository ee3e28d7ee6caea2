/** Publishes datasets and algorithms on a local chain, as a marketplace does. */

import { createHash } from 'node:crypto';
import { getAddress, hexlify, type Interface, type Signer, type TransactionReceipt } from 'ethers';
import { encryptTo } from '../../ocean/ecies.ts';
import { loadArtifact } from './artifacts.ts';
import type { LocalChain } from './startChain.ts';
import { packXz } from './packXz.ts';
import { send } from './send.ts';

/** One service to publish. All services of an asset share its datatoken; their position is the service index. */
export interface ServiceTemplate {
  readonly id?: string;
  readonly type: 'access' | 'compute';
  /** file objects, encrypted to the provider */
  readonly files: readonly unknown[];
  /** seconds an order is good for; 0 for ever (default) */
  readonly timeout?: number;
  /** `allowRawAlgorithm, publisherTrustedAlgorithms, …` */
  readonly compute?: unknown;
  readonly credentials?: unknown;
  readonly consumerParameters?: unknown;
}

/** What to publish. */
export interface AssetTemplate {
  readonly type: 'dataset' | 'algorithm';
  readonly name?: string;
  /** version of the DDO; 4.1.0 unless told */
  readonly version?: '4.0.0' | '4.1.0' | '4.5.0' | '4.7.0' | '5.0.0';
  /** `metadata.algorithm` */
  readonly algorithm?: unknown;
  readonly services: readonly ServiceTemplate[];
  readonly credentials?: unknown;
}

/** How the document is stored on chain. */
export interface DocumentForm {
  readonly encrypted?: boolean;
  readonly compressed?: boolean;
}

export interface PublishRequest {
  readonly chain: LocalChain;
  readonly signer: Signer;
  /** of the provider that will serve the files: compressed or uncompressed, 0x hex */
  readonly providerPublicKey: string;
  readonly providerUrl: string;
  readonly asset: AssetTemplate;
  readonly form?: DocumentForm;
}

export interface PublishedAsset {
  readonly did: string;
  readonly nftAddress: string;
  readonly datatokenAddress: string;
  readonly ddo: Readonly<Record<string, unknown>>;
  readonly serviceIds: readonly string[];
}

const zeroAddress = `0x${'0'.repeat(40)}`;

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

const findArgument = (receipt: TransactionReceipt, abi: Interface, event: string): string => {
  for (const log of receipt.logs) {
    const parsed = abi.parseLog(log);
    if (parsed?.name === event) return getAddress(String(parsed.args[0]));
  }
  throw new Error(`the transaction has no ${event} event`);
};

const createTokens = async ({ chain, signer, asset }: PublishRequest): Promise<{ nftAddress: string; datatokenAddress: string }> => {
  const { abi } = loadArtifact('ERC721Factory');
  const owner = await signer.getAddress();
  const name = asset.name ?? asset.type;
  const receipt = await send(
    signer,
    { to: chain.contracts.erc721Factory, abi, method: 'createNftWithErc20' },
    { name, symbol: 'NFT', templateIndex: 1, tokenURI: '', transferable: true, owner },
    {
      templateIndex: 1,
      strings: [name, 'DT'],
      addresses: [owner, owner, zeroAddress, zeroAddress],
      uints: [1_000n * 10n ** 18n, 0n],
      bytess: [],
    },
  );
  return { nftAddress: findArgument(receipt, abi, 'NFTCreated'), datatokenAddress: findArgument(receipt, abi, 'TokenCreated') };
};

interface Addresses {
  readonly nftAddress: string;
  readonly datatokenAddress: string;
}

const buildServices = ({ asset, providerPublicKey, providerUrl }: PublishRequest, { nftAddress, datatokenAddress }: Addresses) =>
  asset.services.map((service, index) => {
    const { files, ...rest } = service;
    const plaintext = asset.version === '4.0.0' ? files : { datatokenAddress, nftAddress, files };
    return {
      ...rest,
      id: service.id ?? sha256(`${datatokenAddress}/${index}`),
      timeout: service.timeout ?? 0,
      files: encryptTo(providerPublicKey, Buffer.from(JSON.stringify(plaintext))),
      datatokenAddress,
      serviceEndpoint: providerUrl,
    };
  });

const buildDdo = (request: PublishRequest, addresses: Addresses) => {
  const { asset, chain } = request;
  const version = asset.version ?? '4.1.0';
  const didHash = sha256(getAddress(addresses.nftAddress) + String(chain.chainId));
  const services = buildServices(request, addresses);
  const created = '2026-01-01T00:00:00Z';
  const name = asset.name ?? `a ${asset.type}`;
  const metadata = { created, updated: created, type: asset.type, name, description: name, author: 'publisher', license: 'none' };
  const content = {
    ...{ chainId: chain.chainId, nftAddress: addresses.nftAddress, services },
    metadata: { ...metadata, ...(asset.algorithm === undefined ? {} : { algorithm: asset.algorithm }) },
    ...(asset.credentials === undefined ? {} : { credentials: asset.credentials }),
  };
  const serviceIds = services.map((service) => service.id);
  if (version !== '5.0.0') {
    const did = `did:op:${didHash}`;
    return { did, serviceIds, ddo: { '@context': ['https://w3id.org/did/v1'], id: did, version, ...content } };
  }
  const did = `did:ope:${didHash}`;
  const envelope = { '@context': ['https://www.w3.org/ns/credentials/v2'], id: did, version, type: ['VerifiableCredential'] };
  return { did, serviceIds, ddo: { ...envelope, credentialSubject: { id: did, ...content }, issuer: `did:op:${didHash}` } };
};

/**
 * Writes a document into an NFT: state 0, plain unless `form` says otherwise.
 * @param request.ddo the document; its hash goes along
 */
export const setDocument = async (
  { signer, providerPublicKey, providerUrl, form = {} }: Pick<PublishRequest, 'signer' | 'providerPublicKey' | 'providerUrl' | 'form'>,
  { nftAddress, ddo }: { readonly nftAddress: string; readonly ddo: unknown },
): Promise<void> => {
  const document = Buffer.from(JSON.stringify(ddo));
  const packed = form.compressed === true ? packXz(document) : document;
  const stored = form.encrypted === true ? encryptTo(providerPublicKey, packed) : hexlify(packed);
  const flags = hexlify(Uint8Array.of((form.compressed === true ? 1 : 0) | (form.encrypted === true ? 2 : 0)));
  await send(
    signer,
    { to: nftAddress, abi: loadArtifact('ERC721Template').abi, method: 'setMetaData' },
    0,
    providerUrl,
    zeroAddress,
    flags,
    stored,
    `0x${sha256(document)}`,
    [],
  );
};

/** Creates NFT and datatoken, encrypts the files to the provider and writes the DDO. */
export const publishAsset = async (request: PublishRequest): Promise<PublishedAsset> => {
  const addresses = await createTokens(request);
  const { did, ddo, serviceIds } = buildDdo(request, addresses);
  await setDocument(request, { nftAddress: addresses.nftAddress, ddo });
  return { did, ddo, serviceIds, ...addresses };
};

/** Sets an asset's state: 0 active · 1 end of life · 2 deprecated · 3 revoked · 4 ordering disabled · 5 unlisted. */
export const setAssetState = async (signer: Signer, nftAddress: string, state: number): Promise<void> => {
  await send(signer, { to: nftAddress, abi: loadArtifact('ERC721Template').abi, method: 'setMetaDataState' }, state);
};
