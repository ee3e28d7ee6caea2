/** What a consumer asked for and what was found when it was checked. Kept in the ledger, never in a history. */

import type { AssetRequest } from './asset.ts';
import type { OutputTarget } from './output.ts';

/** One dataset of a request: a published asset's service, or (where the environment permits) a bare file object. */
export interface DatasetRequest {
  readonly documentId: string | null;
  readonly serviceId: string | null;
  readonly transferTxId: string | null;
  readonly userdata: unknown;
  /** a file object without an asset, as the client sent it; not yet validated. Operator surface: a list of them */
  readonly fileObject: unknown;
}

/** `entrypoint, image, tag, checksum` of an algorithm's metadata. Empty text where absent. */
export interface AlgorithmContainer {
  readonly entrypoint: string;
  readonly image: string;
  readonly tag: string;
  readonly checksum: string;
}

/** The algorithm of a request: published (`documentId`) or raw (`raw`); when both are sent, the published one counts. */
export interface AlgorithmRequest {
  readonly documentId: string | null;
  readonly serviceId: string | null;
  readonly transferTxId: string | null;
  readonly raw: RawAlgorithm | null;
  readonly userdata: unknown;
  readonly algocustomdata: unknown;
  readonly envs: Readonly<Record<string, string>>;
}

/** Code that the consumer brings along: one of `rawcode`, `url`, `fileObject`, or none when the image holds it. */
export interface RawAlgorithm {
  readonly rawcode: string | null;
  readonly url: string | null;
  readonly fileObject: unknown;
  readonly container: AlgorithmContainer;
}

/** Where and in which token compute time is paid. */
export interface PaymentMeans {
  readonly chainId: number;
  readonly token: string;
}

/**
 * What compute time costs a consumer, and what is locked for it in the escrow contract. Fixed when the job is accepted: a
 * later change of prices does not touch it. Amounts are decimal text in base units of the token.
 */
export interface PaymentTerms extends PaymentMeans {
  readonly escrowAddress: string;
  /** the environment's address */
  readonly payee: string;
  readonly payer: string;
  readonly decimals: number;
  /** price of a started minute in whole tokens: `units` divided by ten to the power of `scale` */
  readonly perMinute: { readonly units: string; readonly scale: number };
  /** the least run time that is charged */
  readonly minSeconds: number;
  /** what is locked: the price of the longest run */
  readonly amount: string;
  /** how long the lock holds; the claim comes before */
  readonly lockSeconds: number;
}

/** What has happened to a job's payment. Transactions are hashes, null until they are mined. */
export interface PaymentState extends PaymentMeans {
  readonly decimals: number;
  /** locked, base units */
  readonly amount: string;
  /** claimed, base units; `0` until then */
  readonly cost: string;
  readonly lockTx: string | null;
  readonly claimTx: string | null;
  /** gave the lock back without a cost */
  readonly cancelTx: string | null;
}

/** Amounts asked for: cpu in cores, ram and disk in GiB, further ids (GPUs) in units. */
export type Resources = Readonly<Record<string, number>>;

/** A validated start request. Stored sealed: user data, urls and envs may be secret. */
export interface JobSpec {
  readonly jobId: string;
  /** as the consumer wrote it; compare lower-case */
  readonly consumerAddress: string;
  /** `selfTest`: no consumer's, but the platform's own, to prove that an environment is sealed */
  readonly surface: 'node' | 'classic' | 'operator' | 'selfTest';
  readonly isFree: boolean;
  readonly environmentId: string;
  readonly chainId: number | null;
  /** in what the consumer pays for compute time through the escrow contract; absent or null: time costs nothing */
  readonly payment?: PaymentMeans | null;
  readonly datasets: readonly DatasetRequest[];
  readonly algorithm: AlgorithmRequest;
  readonly resources: Resources;
  /** seconds, or null for the environment's own limit */
  readonly maxJobDuration: number | null;
  readonly queueMaxWaitTime: number;
  readonly metadata: unknown;
  readonly additionalViewers: readonly string[];
  /** operator surface only */
  readonly provider?: ProviderTerms;
  /** present: the outputs become an asset once the job has finished */
  readonly asset?: AssetRequest;
  /** for the algorithm's image. The ledger keeps them apart from the rest, only until the job ends, and hands them out by themselves */
  readonly registryCredentials?: RegistryCredentials;
  /** where the outputs go. Kept as the credentials above are */
  readonly output?: OutputTarget;
  /** present beside `output`, and kept with the rest */
  readonly deliversOutputs?: true;
  /** absent: results are stored as they are */
  readonly encryption?: ResultEncryption;
}

/** What a private registry of images asks for. */
export interface RegistryCredentials {
  readonly username: string;
  readonly password: string;
}

/** How outputs and log are encrypted before they leave the pod. */
export interface ResultEncryption {
  /** compressed secp256k1 public key of who can decrypt, hex without 0x */
  readonly recipient: string;
  /** 32 random bytes, hex; the key of each file derives from it */
  readonly secret: string;
  /** the secret, encrypted to the recipient (ECIES), hex */
  readonly wrapped: string;
}

/**
 * What a legacy Provider says of a job by its signature: it has checked assets and orders itself. Its datasets and its
 * algorithm (`transferTxId`) are fetched from Providers by the environment's consumer; `algorithm.raw` has the container.
 */
export interface ProviderTerms {
  /** whose signature it was; compare lower-case */
  readonly providerAddress: string;
  readonly agreementId: string;
  /** a metadata cache of the Provider's; null when it names none */
  readonly metadataUri: string | null;
}

/** Where the files of one ordered service are, and how many. */
export interface ProviderFiles {
  /** base URL, the same for all services of one Provider */
  readonly provider: string;
  readonly downloadUrl: string;
  readonly files: number;
}

/** What Providers said of a job's files before its pod was made; null for what is no Provider's. */
export interface ProviderListing {
  readonly datasets: readonly (ProviderFiles | null)[];
  readonly algorithm: ProviderFiles | null;
}

/** The store of environments that name none, and of jobs from before stores had names. */
export const defaultStore = 'default';

/** An asset as it stood when the job was accepted; the same document is staged for the algorithm. */
export interface AssetSnapshot {
  /** `did:op:…` or `did:ope:…`; null for a raw input, then `folder` names it */
  readonly did: string | null;
  /** DID without prefix, or `raw-<position>` */
  readonly folder: string;
  readonly chainId: number | null;
  readonly serviceId: string | null;
  readonly transferTxId: string | null;
  /** the DDO as resolved, or null for a raw input */
  readonly ddo: unknown;
}

/** What `validateOrder` found good. Kept with the job; everything later works from this, not from the request. */
export interface Admission {
  /** transaction of the first dataset's order, or of the algorithm's; empty for a free job */
  readonly agreementId: string;
  readonly runSeconds: number;
  /** name of the store that takes the results; absent: `default` */
  readonly store?: string;
  readonly datasets: readonly AssetSnapshot[];
  /** null for a raw algorithm */
  readonly algorithm: AssetSnapshot | null;
  readonly container: AlgorithmContainer;
  /** sha256 hex of each algorithm file in order, where trust rules pinned them; null where nothing was pinned */
  readonly algorithmFileDigests: readonly string[] | null;
  /** absent or null: compute time costs nothing */
  readonly payment?: PaymentTerms | null;
}
