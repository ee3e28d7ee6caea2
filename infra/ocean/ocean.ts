/** Everything this service knows about Ocean, joined: chains, assets, orders, fees, files. */

import type { ComputeEnvironment } from '../environments/environments.ts';
import type { GuardedFetch } from '../outbound/guardedFetch.ts';
import type { JobFailure } from '../../workflows/contract/failures.ts';
import type { Admission, AssetSnapshot, JobSpec, PaymentTerms } from '../../workflows/contract/spec.ts';
import { accessListAbi } from './abi.ts';
import { createAccess, type Access } from './access.ts';
import type { ResultFiles } from './assets/resultFiles.ts';
import { createAdmission, type AdmissionDeps } from './admission.ts';
import { filesOfSnapshot } from './assetFiles.ts';
import { createAssetResolver } from './assetResolver.ts';
import { openChain, type ChainReader } from './chains.ts';
import { connectClassic, type ClassicOcean } from './classic/classic.ts';
import type { ChainConfig } from './config.ts';
import type { AccessLists } from './credentials.ts';
import { termsOf, type PricedRun } from './escrow/terms.ts';
import { createExamination } from './examine.ts';
import { createDecrypter, encryptTo, publicKeyOf } from './ecies.ts';
import { createDocumentDecrypter, type DecryptRequest } from './decryptDocument.ts';
import { createFileChecksums } from './fileChecksums.ts';
import type { FileObject } from './fileObject.ts';
import { createFileSource, type FileSource } from './fileSource.ts';
import { createProviderAdmission } from './providerAdmission.ts';
import { createOnChainAssets, type Asset } from './onChainAssets.ts';
import { addressOf, signProviderFee, type FeeTerms, type SignedProviderFee } from './providerFees.ts';
import { createQuotes, type Quote, type QuoteRequest } from './quote.ts';
import { verifyMessage, type SignedMessage } from './signatures.ts';

export interface OceanSettings {
  readonly chains: readonly ChainConfig[];
  /** 0x hex; signs fees, opens files, is the environments' address */
  readonly providerPrivateKey: string;
  /** still open files and vouch for fees of orders made before a key change */
  readonly formerProviderPrivateKeys?: readonly string[];
  /** Aquarius-compatible; absent: documents are read from the chains */
  readonly metadataCacheUrl?: string | undefined;
  /** metadata caches of legacy Providers that may be asked */
  readonly providerMetadataUrls?: readonly string[];
  readonly ipfsGateway: string;
  readonly arweaveGateway: string;
  readonly guardedFetch: GuardedFetch;
  /** reads files of assets that jobs made; absent in a process that needs none */
  readonly results?: ResultFiles | undefined;
  /** largest algorithm file whose checksum is computed for trust rules; default 100 MiB */
  readonly longestChecksumBytes?: number;
}

export interface Ocean extends Access {
  /** checksummed; signs fees, and is payee and consumer of the environments */
  readonly providerAddress: string;
  /** compressed, 0x hex: what clients encrypt to */
  readonly nodePublicKey: string;
  readonly chainIds: readonly number[];
  /** @throws JobFailure AssetNotFound, ChainUnavailable */
  resolve(did: string): Promise<Asset>;
  admit(spec: JobSpec, environment: ComputeEnvironment): Promise<Admission>;
  /** Every reason for which `admit` would refuse; none: it would admit. */
  examine(spec: JobSpec, environment: ComputeEnvironment): Promise<readonly JobFailure[]>;
  /** What a run would cost and lock. @throws JobFailure RequestInvalid for a chain or token that is not taken; ChainUnavailable */
  price(run: PricedRun, environment: ComputeEnvironment): Promise<PaymentTerms>;
  quote(request: QuoteRequest, environment: ComputeEnvironment): Promise<Quote>;
  /** what only the classic API asks */
  readonly classic: ClassicOcean;
  /** the files of a published asset as it was accepted, decrypted */
  filesOf(snapshot: AssetSnapshot): readonly FileObject[];
  readonly fileSource: FileSource;
  /** the way out to data sources */
  readonly guardedFetch: GuardedFetch;
  signProviderFee(terms: FeeTerms): SignedProviderFee;
  /** @param chainId where a smart account is asked; absent or unknown: the first chain */
  verifyMessage(signed: SignedMessage, chainId?: number | null): Promise<boolean>;
  /** Encrypts to the provider's own key. @returns 0x hex */
  encrypt(bytes: Uint8Array): string;
  /** Opens what was encrypted to this provider; null for anything else. */
  decrypt(hex: string): Uint8Array | null;
  /** @throws JobFailure RequestInvalid, AccessDenied, ChainUnavailable */
  decryptDocument(request: DecryptRequest): Promise<Uint8Array>;
  /** Resolves when every chain answers. For health checks. */
  check(): Promise<void>;
  close(): void;
}

const requestTimeoutMs = 20_000;
const rememberChecksumsMs = 30_000;
const defaultChecksumBytes = 100 * 1024 ** 2;

const createAccessLists = (chains: ReadonlyMap<number, ChainReader>): AccessLists => ({
  isMember: async ({ chainId, contract }, address) => {
    const balance: unknown = (await chains.get(chainId)?.call(contract, accessListAbi, 'balanceOf', [address]))?.[0];
    return typeof balance === 'bigint' && balance > 0n;
  },
});

/**
 * Joins the parts. No connection is awaited: an unreachable chain shows in `check` and in the calls that need it.
 */
export const connectOcean = (settings: OceanSettings): Ocean => {
  const { providerPrivateKey, guardedFetch, ipfsGateway, arweaveGateway, metadataCacheUrl } = settings;
  const keys = [providerPrivateKey, ...(settings.formerProviderPrivateKeys ?? [])];
  const chains = new Map(settings.chains.map((config) => [config.chainId, openChain(config)]));
  const decrypter = createDecrypter(keys);
  const assets = new Map([...chains].map(([chainId, chain]) => [chainId, createOnChainAssets(chain, decrypter)]));
  const resolver = createAssetResolver({ chains: assets, metadataCacheUrl });
  const fileSource = createFileSource({ guardedFetch, ipfsGateway, arweaveGateway, chains, results: settings.results });
  const checksums = createFileChecksums(fileSource, {
    longestBytes: settings.longestChecksumBytes ?? defaultChecksumBytes,
    timeoutMs: requestTimeoutMs,
    rememberMs: rememberChecksumsMs,
  });
  const providerAddress = addressOf(providerPrivateKey);
  const deps: AdmissionDeps = {
    ...{ resolver, decrypter, checksums, chains, accessLists: createAccessLists(chains) },
    providerAddresses: keys.map(addressOf),
    environmentAddress: providerAddress,
  };
  // the index is wanted by the first request: fill it meanwhile; a failure shows there
  if (metadataCacheUrl === undefined) for (const { index } of assets.values()) index.refresh().catch(() => undefined);
  const nodePublicKey = publicKeyOf(providerPrivateKey);
  const admit = createAdmission(deps);
  const admitProvided = createProviderAdmission({ ...deps, metadataUrls: settings.providerMetadataUrls ?? [] });
  const { openFile: _openFile, ...access } = createAccess({ ...deps, providerPrivateKey, fileSource });
  return {
    ...{ providerAddress, nodePublicKey, fileSource, guardedFetch, chainIds: [...chains.keys()] },
    ...access,
    resolve: (did) => resolver.resolve(did),
    admit: (spec, environment) => (spec.surface === 'operator' ? admitProvided : admit)(spec, environment),
    examine: createExamination(deps),
    price: (run, environment) => termsOf(deps, environment, run),
    quote: createQuotes({ ...deps, providerPrivateKey }),
    classic: connectClassic({ ...deps, providerPrivateKey, fileSource }),
    filesOf: (snapshot) => filesOfSnapshot(snapshot, decrypter),
    signProviderFee: (terms) => signProviderFee(providerPrivateKey, terms),
    verifyMessage: (signed, chainId) => verifyMessage(signed, chains.get(chainId ?? 0) ?? chains.values().next().value ?? null),
    encrypt: (bytes) => encryptTo(nodePublicKey, bytes),
    decrypt: (hex) => decrypter.decrypt(hex),
    decryptDocument: createDocumentDecrypter({ chains, decrypter }),
    check: async () => void (await Promise.all([...chains.values()].map((chain) => chain.check()))),
    close: () => chains.forEach((chain) => chain.close()),
  };
};
