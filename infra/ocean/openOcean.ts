/** The Ocean side from configuration. */

import type { ResultFiles } from './assets/resultFiles.ts';
import { createGuardedFetch, type GuardedFetchOptions } from '../outbound/guardedFetch.ts';
import type { OceanConfig } from './keys.ts';
import { connectOcean, type Ocean } from './ocean.ts';

/** Of every connection to what clients and publishers name. */
export const outboundOptions = (config: OceanConfig): GuardedFetchOptions => ({
  allowedNetworks: config.C2D_OUTBOUND_ALLOW,
  connectTimeoutMs: config.C2D_OUTBOUND_CONNECT_TIMEOUT_MS,
  headersTimeoutMs: config.C2D_OUTBOUND_HEADERS_TIMEOUT_MS,
  idleTimeoutMs: config.C2D_OUTBOUND_IDLE_TIMEOUT_MS,
});

/**
 * Connects as configured; nothing is awaited, so it also succeeds while a chain is away.
 * @param results reads files of assets that jobs made; for processes that hand files out
 */
export const openOcean = (config: OceanConfig, results?: ResultFiles): Ocean =>
  connectOcean({
    chains: config.C2D_CHAINS,
    providerPrivateKey: config.C2D_PROVIDER_PRIVATE_KEY,
    formerProviderPrivateKeys: config.C2D_FORMER_PROVIDER_PRIVATE_KEYS,
    metadataCacheUrl: config.C2D_METADATA_CACHE_URL,
    providerMetadataUrls: config.C2D_OPERATOR_METADATA_URLS,
    results,
    ipfsGateway: config.C2D_IPFS_GATEWAY,
    arweaveGateway: config.C2D_ARWEAVE_GATEWAY,
    guardedFetch: createGuardedFetch(outboundOptions(config)),
  });
