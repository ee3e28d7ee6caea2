/** From a DID to its asset: from an Aquarius-compatible metadata cache, or straight from the chains. */

import { z } from 'zod';
import { JobFailure, isJobFailure } from '../../workflows/contract/failures.ts';
import { parseDdo, type Ddo } from './ddo.ts';
import { didHash } from './ids.ts';
import type { Asset, OnChainAssets } from './onChainAssets.ts';

export interface AssetResolver {
  /**
   * The asset as it stands now; state and owner are the chain's, whatever the document says.
   * @throws JobFailure AssetNotFound `DDO {did} not found`, ChainUnavailable
   */
  resolve(did: string): Promise<Asset>;
}

export interface AssetResolverDeps {
  /** by chain id */
  readonly chains: ReadonlyMap<number, OnChainAssets>;
  /** base URL of a metadata cache; absent: documents are read from the chains */
  readonly metadataCacheUrl?: string | undefined;
}

const cacheTimeoutMs = 10_000;
const longestDocument = 4 * 1024 ** 2;

const notFound = (did: string, reason?: string): JobFailure =>
  new JobFailure('AssetNotFound', `DDO ${did} not found${reason === undefined ? '' : `: ${reason}`}`);

const cacheOutage = (cause?: unknown): JobFailure =>
  new JobFailure('ChainUnavailable', 'the metadata cache does not answer at the moment', { retryAfterSeconds: 1, cause });

/** @returns null when the cache does not know the DID */
export const fetchCached = async (cacheUrl: string, did: string): Promise<unknown> => {
  const url = `${cacheUrl.replace(/\/+$/, '')}/api/aquarius/assets/ddo/${did}`;
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { headers: { accept: 'application/json' }, signal: AbortSignal.timeout(cacheTimeoutMs) });
    text = await response.text();
  } catch (err) {
    throw cacheOutage(err);
  }
  if (response.status === 404 || response.status === 400) return null;
  if (response.status !== 200 || text.length > longestDocument) throw cacheOutage();
  try {
    return z.looseObject({}).parse(JSON.parse(text));
  } catch (err) {
    throw cacheOutage(err);
  }
};

const resolveCached = async (cacheUrl: string, did: string, chains: AssetResolverDeps['chains']): Promise<Asset> => {
  const document = await fetchCached(cacheUrl, did);
  if (document === null) throw notFound(did);
  const ddo: Ddo | null = parseDdo(document);
  if (ddo === null || ddo.did !== did) throw notFound(did, 'its document is malformed');
  const facts = await chains.get(ddo.chainId)?.facts(ddo.nftAddress);
  if (facts === undefined) throw notFound(did, `chain ${ddo.chainId} is not served`);
  if (facts === null) throw notFound(did, "its NFT is not one of Ocean's factory");
  return { ddo, ...facts };
};

const resolveOnChain = async (did: string, hash: string, chains: AssetResolverDeps['chains']): Promise<Asset> => {
  const answers = await Promise.allSettled([...chains.values()].map((chain) => chain.resolve(did, hash)));
  for (const answer of answers) if (answer.status === 'fulfilled' && answer.value !== null) return answer.value;
  for (const answer of answers) {
    if (answer.status === 'fulfilled') continue;
    const reason: unknown = answer.reason;
    if (isJobFailure(reason) && reason.type === 'AssetNotFound') throw notFound(did, reason.message);
    throw reason;
  }
  throw notFound(did);
};

/** Resolves again at every call: a document from a request or from yesterday is never trusted. */
export const createAssetResolver = ({ chains, metadataCacheUrl }: AssetResolverDeps): AssetResolver => ({
  resolve: async (did) => {
    const hash = didHash(did);
    if (hash === null) throw notFound(did.slice(0, 100));
    return metadataCacheUrl === undefined ? resolveOnChain(did, hash, chains) : resolveCached(metadataCacheUrl, did, chains);
  },
});
