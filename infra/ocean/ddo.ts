/** DDOs of versions 4 and 5, read into one form. Nothing here is taken for true but the document's own shape. */

import { getAddress } from 'ethers';
import { z } from 'zod';
import type { DeclaredPolicy } from '../../workflows/contract/outputPolicy.ts';
import type { AlgorithmContainer } from '../../workflows/contract/spec.ts';
import { declaredPolicy as policySchema } from '../environments/outputPolicy.ts';
import { computeDid, isDid } from './ids.ts';

/** One entry of an allow or deny list. Unknown types are kept and never match. */
export interface CredentialEntry {
  readonly type: string;
  readonly values: readonly unknown[];
  readonly chainId: number | null;
  readonly accessList: string | null;
}

/** Who may use an asset or a service. */
export interface Credentials {
  readonly allow: readonly CredentialEntry[];
  readonly deny: readonly CredentialEntry[];
  readonly matchAllow: 'all' | 'any';
  readonly matchDeny: 'all' | 'any';
}

/** One trusted algorithm; null where the publisher said nothing, `*` takes anything. */
export interface TrustedAlgorithm {
  readonly did: string;
  readonly filesChecksum: string | null;
  readonly containerSectionChecksum: string | null;
  readonly serviceId: string | null;
}

/** `services[].compute`: what may run on a dataset's service. */
export interface ComputeRules {
  readonly allowRawAlgorithm: boolean;
  readonly allowNetworkAccess: boolean;
  readonly trustedAlgorithms: readonly (TrustedAlgorithm | '*')[];
  readonly trustedPublishers: readonly string[];
}

export interface DdoService {
  /** position in the document: `serviceIndex` on chain */
  readonly index: number;
  readonly id: string;
  readonly type: string;
  /** ciphertext, hex */
  readonly files: string;
  /** checksummed */
  readonly datatokenAddress: string;
  readonly serviceEndpoint: string;
  /** seconds an order is good for; 0 for ever */
  readonly timeoutSeconds: number;
  readonly compute: ComputeRules;
  /** `additionalInformation.outputPolicy`: what may leave jobs; null: nothing is said, `unreadable`: nobody knows what */
  readonly outputPolicy: DeclaredPolicy | 'unreadable' | null;
  readonly credentials: Credentials | null;
}

export interface Ddo {
  readonly did: string;
  readonly version: string;
  readonly chainId: number;
  /** checksummed */
  readonly nftAddress: string;
  readonly type: string;
  readonly services: readonly DdoService[];
  readonly credentials: Credentials | null;
  /** `metadata.algorithm.container` of an algorithm */
  readonly container: AlgorithmContainer | null;
  /** the NFT's state as a cache noted it, if it did */
  readonly cachedState: number | null;
  /** the document as it was found */
  readonly document: unknown;
}

const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/)
  .transform((text) => getAddress(text.toLowerCase()));

const nullable = <Schema extends z.ZodType>(schema: Schema) => schema.nullish().transform((value) => value ?? null);
const listOf = <Schema extends z.ZodType>(schema: Schema) =>
  z
    .array(schema)
    .nullish()
    .transform((list) => list ?? []);
const match = z.enum(['all', 'any']).nullish();

const credentialEntry = z.object({
  type: z.string(),
  values: listOf(z.unknown()),
  chainId: nullable(z.coerce.number().int()),
  accessList: nullable(z.string()),
});

const credentials = nullable(
  z
    .object({ allow: listOf(credentialEntry), deny: listOf(credentialEntry), match_allow: match, match_deny: match })
    .transform(({ allow, deny, match_allow, match_deny }): Credentials => ({
      allow,
      deny,
      matchAllow: match_allow ?? 'all',
      matchDeny: match_deny ?? 'any',
    })),
);

const trustedAlgorithm = z.object({
  did: z.string(),
  filesChecksum: nullable(z.string()),
  containerSectionChecksum: nullable(z.string()),
  serviceId: nullable(z.union([z.string(), z.number()]).transform(String)),
});

const noComputeRules: ComputeRules = {
  allowRawAlgorithm: false,
  allowNetworkAccess: false,
  trustedAlgorithms: [],
  trustedPublishers: [],
};

/** Stands for an entry that nobody can read: it makes its list filled, and matches nothing. */
const unreadable: TrustedAlgorithm = { did: '', filesChecksum: null, containerSectionChecksum: null, serviceId: null };

const trustedAlgorithms = z.union([
  z.literal('*').transform((all) => [all]),
  listOf(z.union([z.literal('*'), trustedAlgorithm, z.unknown().transform(() => unreadable)])),
  z.unknown().transform(() => [unreadable]),
]);
const trustedPublishers = z.union([
  z.literal('*').transform((all): string[] => [all]),
  listOf(z.unknown().transform((entry) => (typeof entry === 'string' ? entry : ''))),
  z.unknown().transform(() => ['']),
]);

const compute = z
  .object({
    allowRawAlgorithm: z.boolean().nullish(),
    allowNetworkAccess: z.boolean().nullish(),
    publisherTrustedAlgorithms: trustedAlgorithms,
    publisherTrustedAlgorithmPublishers: trustedPublishers,
  })
  .nullish()
  .transform((rules): ComputeRules =>
    rules === null || rules === undefined
      ? noComputeRules
      : {
          allowRawAlgorithm: rules.allowRawAlgorithm === true,
          allowNetworkAccess: rules.allowNetworkAccess === true,
          trustedAlgorithms: rules.publisherTrustedAlgorithms,
          trustedPublishers: rules.publisherTrustedAlgorithmPublishers,
        },
  );

/** A free-form object of the service; everything else in it is others' matter. */
// a field that is not there would be refused otherwise
const declaredPolicy = z
  .unknown()
  .optional()
  .transform((information): DdoService['outputPolicy'] => {
    const declared: unknown =
      typeof information === 'object' && information !== null && 'outputPolicy' in information ? information.outputPolicy : undefined;
    if (declared === undefined || declared === null) return null;
    const { success, data } = policySchema.safeParse(declared);
    return success ? data : 'unreadable';
  });

const service = z.object({
  id: z.union([z.string().min(1), z.number()]).transform(String),
  type: z.string(),
  files: z.string().default(''),
  datatokenAddress: address,
  serviceEndpoint: z.string().default(''),
  timeout: z.coerce.number().int().nonnegative().default(0),
  compute,
  credentials,
  additionalInformation: declaredPolicy,
});

const text = z
  .union([z.string(), z.number()])
  .nullish()
  .transform((value) => String(value ?? ''));
const container = z.object({ entrypoint: text, image: text, tag: text, checksum: text });

const body = z.object({
  chainId: z.coerce.number().int().positive(),
  nftAddress: address,
  metadata: z.object({ type: z.string(), algorithm: nullable(z.object({ container: nullable(container) })) }),
  services: z.array(service).max(1_000),
  credentials,
});

const envelope = z.object({ id: z.string().refine(isDid), version: z.string().default('4.0.0') });
const cachedState = z.object({ nft: z.object({ state: z.coerce.number().int() }) });

/** The cache's note of an asset's state; older caches have it at the top, newer ones below `indexedMetadata`. */
const readCachedState = (document: Readonly<Record<string, unknown>>): number | null => {
  for (const place of [document, document['indexedMetadata']]) {
    const parsed = cachedState.safeParse(place);
    if (parsed.success) return parsed.data.nft.state;
  }
  return null;
};

/**
 * Reads a document. Version 5 documents have the same fields under `credentialSubject`.
 * @returns null for anything that is no DDO, or whose DID is not that of its own NFT and chain
 */
export const parseDdo = (document: unknown): Ddo | null => {
  const head = envelope.safeParse(document);
  if (!head.success) return null;
  const outer = document as Readonly<Record<string, unknown>>;
  const { id: did, version } = head.data;
  const isVersion5 = version.startsWith('5.');
  const parsed = body.safeParse(isVersion5 ? outer['credentialSubject'] : outer);
  if (!parsed.success) return null;
  const { chainId, nftAddress, metadata, services, credentials: allowed } = parsed.data;
  if (did !== computeDid(nftAddress, chainId, isVersion5 ? 'ope' : 'op')) return null;
  return {
    ...{ did, version, chainId, nftAddress, type: metadata.type, credentials: allowed, document },
    services: services.map(({ timeout, additionalInformation, ...rest }, index) => ({
      ...{ ...rest, index, timeoutSeconds: timeout, outputPolicy: additionalInformation },
    })),
    container: metadata.algorithm?.container ?? null,
    cachedState: readCachedState(outer),
  };
};

/** The service of that id, or undefined. */
export const findService = (ddo: Ddo, serviceId: string | null): DdoService | undefined =>
  ddo.services.find((candidate) => candidate.id === serviceId);
