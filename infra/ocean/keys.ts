/** Configuration keys of the Ocean side; api, orchestrator and gateway share them. */

import { z } from 'zod';
import { json, list } from '../process/config.ts';
import { chainConfigs, privateKey } from './config.ts';

const milliseconds = z.coerce.number().int().positive();

export const oceanKeys = {
  C2D_CHAINS: json(chainConfigs),
  C2D_PROVIDER_PRIVATE_KEY: privateKey,
  /** earlier keys: still open files that were encrypted for them, and their fees still count */
  C2D_FORMER_PROVIDER_PRIVATE_KEYS: list.pipe(z.array(privateKey)).prefault(''),
  /** an Aquarius-compatible metadata cache; absent: DDOs are read from the chain */
  C2D_METADATA_CACHE_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** metadata caches that jobs of legacy Providers may name */
  C2D_OPERATOR_METADATA_URLS: list.pipe(z.array(z.url({ protocol: /^https?$/ }))).prefault(''),
  C2D_IPFS_GATEWAY: z.url({ protocol: /^https?$/ }).default('https://ipfs.io'),
  C2D_ARWEAVE_GATEWAY: z.url({ protocol: /^https?$/ }).default('https://arweave.net/'),
  /** networks, addresses and host names of data sources that may be reached though they are not public */
  C2D_OUTBOUND_ALLOW: list.prefault(''),
  C2D_OUTBOUND_CONNECT_TIMEOUT_MS: milliseconds.default(10_000),
  C2D_OUTBOUND_HEADERS_TIMEOUT_MS: milliseconds.default(30_000),
  C2D_OUTBOUND_IDLE_TIMEOUT_MS: milliseconds.default(30_000),
};

/** Values of `oceanKeys`. */
export type OceanConfig = z.output<z.ZodObject<typeof oceanKeys>>;
