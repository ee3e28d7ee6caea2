/** What the gateway needs from the outside world; `main.ts` joins these with the adapters. */

import type { Readable } from 'node:stream';
import type { PodRef } from '../../workflows/contract/job.ts';
import type { AskedFilter, StagedFile } from '../../workflows/contract/manifest.ts';
import type { OutputRule } from '../../workflows/contract/outputPolicy.ts';
import type { Admission, AssetSnapshot, JobSpec, ProviderListing } from '../../workflows/contract/spec.ts';
import type { ComputeEnvironment } from '../../infra/environments/environments.ts';
import type { ProgressRecord, ResultEntry } from '../../infra/ledger/ledger.ts';
import type { ResultStores } from '../../infra/storage/stores.ts';

/** Reads the bearer tokens of agents. */
export interface TokenReader {
  /** @returns the pod, or null for anything that no key of ours has signed */
  read(token: string): PodRef | null;
}

/** The ledger, as far as pods are concerned. Every write may be repeated. */
export interface GatewayLedger {
  /** @returns null when the job is unknown or over */
  currentPodAttempt(jobId: string): Promise<number | null>;
  readAdmission(jobId: string): Promise<{ readonly spec: JobSpec; readonly admission: Admission }>;
  /** null for a job that no legacy Provider asked for */
  readProviderListing(jobId: string): Promise<ProviderListing | null>;
  /** Remembers what was staged in a pod; the first word counts. */
  recordStagedFiles(staged: PodRef & { readonly files: readonly StagedFile[] }): Promise<void>;
  /** Remembers which filters had the outputs of a pod; the first word counts. */
  recordFilters(asked: PodRef & { readonly filters: readonly AskedFilter[] }): Promise<void>;
  recordProgress(record: ProgressRecord): Promise<void>;
  appendLog(piece: { readonly jobId: string; readonly podAttempt: number; readonly offset: number; readonly bytes: Buffer }): Promise<void>;
  recordResults(record: { readonly jobId: string; readonly podAttempt: number; readonly results: readonly ResultEntry[] }): Promise<void>;
}

/** A decrypted file object; what is in it concerns only the file source. */
export type FileObject = Readonly<{ type: string }>;

/** From an asset to its file objects. */
export interface AssetFiles {
  /** In the order of the asset's file list. @throws JobFailure when they cannot be decrypted or are malformed */
  filesOf(snapshot: AssetSnapshot): readonly FileObject[];
  /** A file object as a consumer sent it. @throws JobFailure when it is malformed */
  parseFileObject(raw: unknown): FileObject;
}

/** A data source that answers. */
export interface OpenedFile {
  readonly stream: Readable;
  /** of the whole file; null when the source does not say */
  readonly sizeBytes: number | null;
  /** offset of the first byte in `stream`: 0 where the source ignores ranges */
  readonly start: number;
}

/** Fetches files of all types. */
export interface FileSource {
  /**
   * @throws an error named `SourceFailure` whose `kind` is `permanent` or `transient` and whose message names no address;
   *   a JobFailure; any other error is retried and its message not shown
   */
  open(
    file: FileObject,
    options: { readonly start: number; readonly userdata: unknown; readonly signal: AbortSignal },
  ): Promise<OpenedFile>;
}

/** @returns undefined for an environment that is no longer configured */
export type EnvironmentOf = (environmentId: string) => ComputeEnvironment | undefined;

/** What may leave a job. */
export type OutputRules = (datasets: Admission['datasets'], environment: ComputeEnvironment) => readonly OutputRule[];

/** What uploads need of the result stores. */
export type UploadStore = Pick<ResultStores, 'putPart' | 'complete' | 'putWhole'> & Partial<Pick<ResultStores, 'seal'>>;
