/**
 * The vocabulary of failure. Every failure has a type and a fault: whose it is decides retries,
 * what a consumer is told, and who pays.
 */

/** Who has to act: the consumer (bad order, bad image), the operator (quota, configuration), the platform (lost node, chain down). */
export type Fault = 'consumer' | 'operator' | 'platform';

const faults = {
  /** the request contradicts a rule that no other type names */
  RequestInvalid: 'consumer',
  AssetNotFound: 'consumer',
  ServiceNotFound: 'consumer',
  /** end of life, revoked, ordering disabled */
  AssetNotConsumable: 'consumer',
  /** credentials, access lists */
  AccessDenied: 'consumer',
  OrderMissing: 'consumer',
  OrderInvalid: 'consumer',
  /** mined too recently; goes away by itself */
  OrderPending: 'platform',
  /** the escrow contract has no funds or no authorization of the consumer's that cover the job */
  PaymentInvalid: 'consumer',
  /** an unfinished job already runs on this agreement */
  AgreementInUse: 'consumer',
  AlgorithmNotTrusted: 'consumer',
  RawAlgorithmNotAllowed: 'consumer',
  /** the service's files were encrypted for another provider */
  FilesNotOurs: 'consumer',
  /** chain or metadata cache unreachable */
  ChainUnavailable: 'platform',
  /** a transaction of the service's own is sent and waits to be mined; goes away by itself */
  TransactionPending: 'platform',
  /** a contract refuses a transaction of the service's own */
  TransactionReverted: 'operator',
  /** the service's key cannot pay for the gas of a transaction */
  KeyNeedsFunds: 'operator',
  /** waited for a place longer than the request allowed */
  QueueTimedOut: 'operator',
  /** all places of the environment are taken */
  NoCapacity: 'operator',
  ImageUnavailable: 'consumer',
  /** the registry answers 429, 5xx or not at all */
  ImagePullFailed: 'platform',
  VolumeFailed: 'operator',
  ContainerFailed: 'operator',
  /** the cluster's quota for the jobs' namespace is used up; goes away as pods end, or when the operator raises it */
  QuotaExceeded: 'operator',
  /** the cluster refuses what this service asks of it: rights, admission rules, missing secrets */
  ClusterMisconfigured: 'operator',
  PodConflict: 'platform',
  /** the runtime cannot be reached or refuses everybody */
  RuntimeUnavailable: 'platform',
  /** isolation could not be proved, so the algorithm was not started */
  PodUnsealed: 'operator',
  /** gone, evicted or silent for good */
  PodLost: 'platform',
  /** something about the pod changed: look again */
  PodChanged: 'platform',
  InputUnavailable: 'platform',
  InputTooLarge: 'consumer',
  AlgorithmUnavailable: 'consumer',
  AlgorithmChecksumMismatch: 'consumer',
  /** the algorithm's container is gone with no agent left to report */
  AlgorithmOutOfMemory: 'consumer',
  OutputsTooLarge: 'consumer',
  /** a rule of the owner of the data, or of the environment, keeps them back */
  OutputsWithheld: 'consumer',
  /** a filter of the outputs could not do its work, so they are kept back */
  FilterFailed: 'operator',
  OutputsUnreadable: 'platform',
  /** the storage that the consumer has named does not take the outputs, or must not be reached */
  OutputTargetRefused: 'consumer',
  /** it does not answer */
  OutputTargetUnavailable: 'consumer',
  StorageRefused: 'operator',
  StorageUnavailable: 'platform',
  PhaseTimedOut: 'platform',
  /** the service's own database or workflow server is away; goes away by itself */
  ServiceUnavailable: 'platform',
} as const satisfies Record<string, Fault>;

/** Name of a failure; also the `type` of the ApplicationFailure that Temporal shows. */
export type FailureType = keyof typeof faults;

/** Every failure type, for documentation and exhaustive tests. */
export const failureTypes = Object.keys(faults) as readonly FailureType[];

/** Whose fault a failure is. */
export const faultOf = (type: FailureType): Fault => faults[type];

/** True when `text` names a failure of this vocabulary. */
export const isFailureType = (text: unknown): text is FailureType => typeof text === 'string' && Object.hasOwn(faults, text);

/**
 * A failure that somebody has classified. Final, unless `retryAfterSeconds` says when to try again;
 * errors that are no JobFailure are retried by Temporal's policy.
 * The message is shown to consumers: it names cause and remedy, never a payload, token or URL.
 */
export class JobFailure extends Error {
  readonly type: FailureType;
  readonly retryAfterSeconds: number | undefined;

  constructor(type: FailureType, message: string, options: { readonly retryAfterSeconds?: number; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'JobFailure';
    this.type = type;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** True for a JobFailure, also one made by another copy of this module. */
export const isJobFailure = (err: unknown): err is JobFailure =>
  err instanceof Error && err.name === 'JobFailure' && isFailureType((err as Partial<JobFailure>).type);
