/** The ledger's tables as the code sees them. */

import type { ColumnType, Generated } from 'kysely';
import type { JobAsset } from '../../workflows/contract/asset.ts';
import type { AskedFilter, Envelope, StagedFile } from '../../workflows/contract/manifest.ts';
import type { Delivery } from '../../workflows/contract/output.ts';
import type { Admission, PaymentState, ProviderListing } from '../../workflows/contract/spec.ts';
import type { TransactionAttempt, TransactionCall, TransactionOutcome } from './transactions.ts';

/** A file of a job's results, at a fixed index on every API surface. */
export interface ResultEntry {
  readonly index: number;
  readonly filename: string;
  readonly filesize: number;
  readonly type: 'output' | 'algorithmLog';
  /** the agent's number of the file: where it lies in the store */
  readonly n: number;
  /** lower-case hex */
  readonly sha256: string;
  /** what an encrypted file was before; absent for all others */
  readonly plaintext?: { readonly sizeBytes: number; readonly sha256: string };
  /** of the file, where it is kept in IPFS */
  readonly cid?: string | undefined;
  /** of the directory with all results of the job, where they are kept in IPFS */
  readonly directoryCid?: string;
}

/** `terminationDetails` of the API surfaces. */
export interface Termination {
  readonly exitCode: number | null;
  readonly OOMKilled: boolean;
  readonly reason: string;
}

/** `pending` until the verdict is known. Only accepted jobs are shown to anybody. */
export type AdmissionState = 'pending' | 'accepted' | 'refused';

type Json<T> = ColumnType<T, string, string>;

interface JobsTable {
  job_id: string;
  /** lower-case, for comparisons */
  owner: string;
  /** as the consumer wrote it */
  owner_text: string;
  environment_id: string;
  is_free: boolean;
  chain_id: number | null;
  surface: string;
  /** the JobSpec, sealed: user data, urls and variables may be secret */
  spec: Buffer;
  /** RegistryCredentials, sealed; null: none, or the job has ended */
  registry_credentials: Buffer | null;
  /** OutputTarget, sealed; null: none, or the job has ended */
  output_target: Buffer | null;
  /** digest of a request that came with a key of the client's; null for all others */
  request_digest: string | null;
  /** lower-case address of the legacy Provider that asked for the job; null for all others */
  provider_address: string | null;
  admission_state: ColumnType<AdmissionState, AdmissionState | undefined, AdmissionState>;
  refusal_type: string | null;
  admission: Json<Admission> | null;
  agreement_id: string | null;
  algorithm_did: string;
  input_dids: Json<readonly string[]>;
  status: number;
  /** grows with every recorded change: an older state never overwrites a newer one */
  sequence: ColumnType<string, number | undefined, number>;
  reason: string;
  pod_attempt: Generated<number>;
  has_place: Generated<boolean>;
  stop_requested: Generated<boolean>;
  progress: Json<unknown> | null;
  phases: Json<Readonly<Record<string, number>>>;
  results: Json<readonly ResultEntry[]> | null;
  results_pod_attempt: number | null;
  /** when the list of results was complete */
  published_at: Date | null;
  /** name of the store that has them */
  store: Generated<string>;
  termination: Json<Termination> | null;
  run_seconds: number | null;
  queue_seconds: Generated<number>;
  resources: Json<Readonly<Record<string, number>>>;
  metadata: Json<unknown> | null;
  additional_viewers: Json<readonly string[]>;
  /** null: the outputs stay results */
  asset: Json<JobAsset> | null;
  /** null: the outputs stay in the environment's store */
  delivery: Json<Delivery> | null;
  algorithm_started_at: Date | null;
  algorithm_finished_at: Date | null;
  created_at: Generated<Date>;
  finished_at: Date | null;
  /** how long results are kept after the end, as it was announced when the job was asked for */
  storage_seconds: Generated<number>;
  /** null until the job has ended; from then on nobody is shown its results */
  expires_at: Date | null;
  reduced_at: Date | null;
  /** the store has nothing of the job any more */
  files_removed_at: Date | null;
  /** what was locked for the job, and what became of it */
  payment: Json<PaymentState> | null;
}

interface NoncesTable {
  address: string;
  /** decimal text of a numeric column */
  nonce: ColumnType<string, string, string>;
  /** the job on which this nonce was spent, if it was a start */
  job_id: string | null;
}

interface JobLogsTable {
  job_id: string;
  pod_attempt: number;
  start_offset: ColumnType<string, number, never>;
  bytes: Buffer;
}

interface EnvironmentVerdictsTable {
  environment_id: string;
  /** of the last self-test that decided something; null: none has yet */
  verdict: 'sealed' | 'unsealed' | null;
  /** for operators */
  reason: Generated<string>;
  decided_at: Date | null;
  /** why a later self-test could decide nothing */
  problem: string | null;
  problem_at: Date | null;
}

interface InvalidatedTokensTable {
  token_id: string;
  /** after this the token is dead by itself */
  expires_at: Date;
}

interface ProviderListingsTable {
  job_id: string;
  listing: Json<ProviderListing>;
}

interface ProviderNoncesTable {
  provider: string;
  /** of our key */
  address: string;
  /** decimal text of a numeric column */
  nonce: ColumnType<string, string, string>;
  /** until then a request with the nonce may be on its way */
  asking_until: Date;
}

interface PodFactsTable {
  job_id: string;
  pod_attempt: number;
  staged: Json<readonly StagedFile[]> | null;
  /** as the runtime names it */
  image: string | null;
  filters: Json<readonly AskedFilter[]> | null;
}

interface ResultManifestsTable {
  job_id: string;
  envelope: Json<Envelope>;
  made_at: Generated<Date>;
}

interface TransactionSendersTable {
  chain_id: ColumnType<string, number, never>;
  /** lower-case */
  address: string;
  next_nonce: ColumnType<string, number, number>;
}

interface TransactionsTable {
  key: string;
  chain_id: ColumnType<string, number, never>;
  /** lower-case */
  sender: string;
  nonce: ColumnType<string, number, number> | null;
  call: Json<TransactionCall> | null;
  attempts: ColumnType<readonly TransactionAttempt[], string | undefined, string>;
  outcome: Json<TransactionOutcome> | null;
  created_at: Generated<Date>;
}

interface ResultUploadsTable {
  job_id: string;
  pod_attempt: number;
  n: number;
  upload_id: string;
}

/** The database of the ledger. */
export interface LedgerDatabase {
  jobs: JobsTable;
  nonces: NoncesTable;
  job_logs: JobLogsTable;
  environment_verdicts: EnvironmentVerdictsTable;
  invalidated_tokens: InvalidatedTokensTable;
  provider_listings: ProviderListingsTable;
  provider_nonces: ProviderNoncesTable;
  pod_facts: PodFactsTable;
  result_manifests: ResultManifestsTable;
  transaction_senders: TransactionSendersTable;
  transactions: TransactionsTable;
  result_uploads: ResultUploadsTable;
}
