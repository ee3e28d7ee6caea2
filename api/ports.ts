/** What the API needs of the outside world, as narrow as it uses it. `main.ts` joins the adapters. */

import type { Readable } from 'node:stream';
import type { Express, RequestHandler, Response } from 'express';
import type { EnvironmentLoad, JobRow, Ledger } from '../infra/ledger/ledger.ts';
import type { ComputeEnvironment } from '../infra/environments/environments.ts';
import type { PlacedFileRef } from '../infra/storage/resultStore.ts';
import type { Logger } from '../infra/process/logger.ts';
import type { Access, FilesQuestion, OrderedFile } from '../infra/ocean/access.ts';
import type { DecryptRequest } from '../infra/ocean/decryptDocument.ts';
import type { FileFacts } from '../infra/ocean/fileFacts.ts';
import type { OpenedFile } from '../infra/ocean/fileSource.ts';
import type { PricedRun } from '../infra/ocean/escrow/terms.ts';
import type { Quote, QuoteRequest } from '../infra/ocean/quote.ts';
import type { HealthCheck } from '../infra/process/health.ts';
import type { FailureType, JobFailure } from '../workflows/contract/failures.ts';
import type { Envelope } from '../workflows/contract/manifest.ts';
import type { OutputTarget } from '../workflows/contract/output.ts';
import type { JobSpec, PaymentTerms } from '../workflows/contract/spec.ts';

/** The ledger's operations that clients cause. */
export type JobLedger = Pick<
  Ledger,
  | 'nonceOf'
  | 'spendNonce'
  | 'reserveJob'
  | 'reserveKeyedJob'
  | 'readRequestDigest'
  | 'readJob'
  | 'findJobs'
  | 'listJobs'
  | 'requestStop'
  | 'setExpiry'
  | 'readLog'
  | 'environmentLoads'
> & {
  /** Calls `onChange` after each change of the job or its log. @returns the end of the watch */
  watchJob(jobId: string, onChange: () => void): () => void;
};

/** The verdict on a job. `pending`: not known yet, ask again with the same request. */
export type StartVerdict =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly type: FailureType; readonly message: string }
  | { readonly kind: 'pending' };

/** Starts and stops the durable part of a job. Both are safe to repeat. */
export interface JobStarter {
  start(job: { readonly spec: JobSpec; readonly environment: ComputeEnvironment }): Promise<StartVerdict>;
  /** Asks for the stop; a job that has ended stays as it is. */
  stop(jobId: string): Promise<void>;
}

/** Reads published files; `range` is inclusive on both ends. */
export interface Results {
  read(file: PlacedFileRef, range?: { readonly start: number; readonly end: number }): Promise<Readable>;
}

/** Signed manifests of what jobs published. */
export interface ResultManifests {
  /** The same for everybody, whenever it is asked for; null for a job that has not ended, or that published nothing. */
  manifestOf(jobId: string): Promise<Envelope | null>;
}

/** Assets, prices and keys of this provider. Failures are JobFailures with a text for consumers. */
export interface Assets extends Access {
  /** @throws JobFailure AssetNotFound */
  resolve(did: string): Promise<{ readonly ddo: { readonly document: unknown } }>;
  quote(request: QuoteRequest, environment: ComputeEnvironment): Promise<Quote>;
  /** What a run would cost and lock. @throws JobFailure RequestInvalid for a chain or token that is not taken */
  price(run: PricedRun, environment: ComputeEnvironment): Promise<PaymentTerms>;
  /** Every reason for which a job would be refused. @throws JobFailure for what cannot be judged now */
  examine(spec: JobSpec, environment: ComputeEnvironment): Promise<readonly JobFailure[]>;
  /** @returns `0x…` hex text that only this provider can open */
  encrypt(bytes: Uint8Array): string;
  /** Opens what was encrypted to this provider; null for anything else. */
  decrypt(hex: string): Uint8Array | null;
  /** The plaintext of an asset's document that was encrypted to this provider. */
  decryptDocument(request: DecryptRequest): Promise<Uint8Array>;
  /**
   * True when `address` signed `message`, as a key or as a smart account on `chainId` (null: the first chain).
   * Malformed input is false; throws only when a chain cannot be asked.
   */
  verifyMessage(
    claim: { readonly address: string; readonly message: string; readonly signature: string },
    chainId: number | null,
  ): Promise<boolean>;
  readonly providerAddress: string;
  /** compressed public key, `0x…` hex */
  readonly nodePublicKey: string;
}

/** A token as it is asked for, after its signature was found good. */
export interface TokenRequest {
  /** whose signature it was, as written */
  readonly address: string;
  /** of the signature */
  readonly nonce: string;
  /** milliseconds since the epoch; null for the longest life */
  readonly validUntilMs: number | null;
}

/** Issues auth tokens and tells whose they are. */
export interface Tokens {
  /** Never longer than configured, whatever is asked. @throws Refusal 400 for an end that has passed */
  issue(request: TokenRequest): string;
  /**
   * @param authorization the header, with or without `Bearer`
   * @returns whose token it is, as written when it was made
   * @throws Refusal 401 for no token, and for one that is not alive
   */
  verify(authorization: string | undefined): Promise<{ readonly address: string }>;
  /** Ends a token of `address`; one that has ended stays so. @throws Refusal 401 for no token of ours, 403 for another's */
  invalidate(token: string, address: string): Promise<void>;
}

/** Environments that are configured and not offered for now, with the reason for operators. */
export type Withdrawals = () => Promise<ReadonlyMap<string, string>>;

/** A chain whose orders are taken. */
export interface OfferedChain {
  readonly chainId: number;
  /** token of the environments' prices; null when nothing is priced on this chain */
  readonly feeToken: string | null;
}

/** Counts requests. */
export interface RequestMetrics {
  /** counts a route's requests and their seconds; `route` is the route's name, never a path of a client */
  measure(route: string): RequestHandler;
}

/** Limits how often somebody may ask. */
export interface Rates {
  /** Has `app` believe forwarded addresses of the configured proxies, and of nobody else. */
  trustProxies(app: Express): void;
  /** Counts a request of its IP address. @throws Refusal 429 */
  readonly byIp: RequestHandler;
  /** The same dependencies, which count a consumer's request once its signature or token was found good. */
  limitCallers<Deps extends { readonly assets: Assets; readonly tokens: Tokens }>(deps: Deps): Deps;
}

/** Limits how much is carried at once. */
export interface Load {
  /** Counts a request until its answer is finished. @throws Refusal 503 while there is no room for it */
  readonly admit: RequestHandler;
  /** Counts an answer that goes on until a job ends as one of its consumer's. @throws Refusal 429 */
  openStream(res: Response, address: string): void;
}

/** Sizes in bytes. */
export interface ApiLimits {
  readonly jsonBytes: number;
  readonly encryptBytes: number;
}

/** Storage that consumers name for their outputs. */
export interface OutputTargets {
  /** Resolves when it takes outputs, and leaves nothing there. @throws JobFailure with a text for consumers */
  probe(target: OutputTarget, jobId: string): Promise<void>;
}

/** Everything that `createApp` is made of. */
export interface ApiDeps {
  readonly ledger: JobLedger;
  readonly jobs: JobStarter;
  readonly results: Results;
  readonly manifests: ResultManifests;
  readonly assets: Assets;
  readonly tokens: Tokens;
  readonly environments: readonly ComputeEnvironment[];
  readonly withdrawals: Withdrawals;
  /** who may have documents decrypted; empty: everybody who signs */
  readonly authorizedDecrypters: readonly string[];
  readonly chains: readonly OfferedChain[];
  readonly limits: ApiLimits;
  readonly rates: Rates;
  readonly load: Load;
  /** what clients 4.0 to 5.1 sign is good, too; some of it can be replayed */
  readonly acceptsOlderMessages: boolean;
  readonly outputTargets: OutputTargets;
  /** @returns why an environment does not take the `output` of a job; null: it does */
  readonly deliveryRefusal: (question: { readonly environment: ComputeEnvironment; readonly isEncrypted: boolean }) => string | null;
  /** jobs may bring credentials for the registry of their image */
  readonly takesRegistryCredentials: boolean;
  readonly health: Readonly<Record<string, HealthCheck>>;
  readonly metrics: RequestMetrics;
  readonly logger: Logger;
  /** this release, e.g. `0.1.0` */
  readonly version: string;
  /** aborted when the process ends: open streams are finished then */
  readonly ending: AbortSignal;
}

export type {
  ComputeEnvironment,
  DecryptRequest,
  EnvironmentLoad,
  FileFacts,
  FilesQuestion,
  JobRow,
  OpenedFile,
  OrderedFile,
  Quote,
  QuoteRequest,
};
