/** What the client library takes and gives, as far as the demo and the tests use it. */

/** An asset to publish with one service. */
export interface AssetToPublish {
  readonly kind: 'dataset' | 'algorithm';
  readonly name: string;
  readonly description?: string;
  /** file objects, e.g. `{type: 'url', url, method: 'GET'}`; encrypted by the service before they are published */
  readonly files: readonly unknown[];
  /** seconds an order is good for; 0 (default) for ever */
  readonly timeout?: number;
  /** default: `compute` for a dataset, `access` for an algorithm */
  readonly serviceType?: 'compute' | 'access';
  readonly compute?: ComputeRules;
  /** of the service: a free-form object */
  readonly additionalInformation?: unknown;
  readonly algorithm?: AlgorithmMetadata;
  readonly credentials?: unknown;
  /** of the DDO; 4.7.0 unless told */
  readonly version?: string;
}

/** Who may compute on a dataset. */
export interface ComputeRules {
  readonly allowRawAlgorithm: boolean;
  readonly allowNetworkAccess: boolean;
  readonly publisherTrustedAlgorithmPublishers: readonly string[];
  readonly publisherTrustedAlgorithms: readonly TrustedAlgorithm[];
}

export interface TrustedAlgorithm {
  readonly did: string;
  readonly filesChecksum: string;
  readonly containerSectionChecksum: string;
  readonly serviceId?: string;
}

export interface AlgorithmMetadata {
  readonly language: string;
  readonly version: string;
  readonly container: ContainerSection;
}

export interface ContainerSection {
  readonly entrypoint: string;
  readonly image: string;
  readonly tag: string;
  readonly checksum: string;
}

export interface PublishedAsset {
  readonly did: string;
  readonly nftAddress: string;
  readonly datatokenAddress: string;
  readonly serviceId: string;
  readonly ddo: Readonly<Record<string, unknown>>;
}

/** A dataset of a start request. */
export interface ComputeAsset {
  readonly documentId: string;
  readonly serviceId: string;
  readonly transferTxId?: string;
  readonly userdata?: unknown;
}

/** The algorithm of a start request: published (`documentId`) or brought along (`meta`). */
export interface ComputeAlgorithm {
  readonly documentId?: string;
  readonly serviceId?: string;
  readonly transferTxId?: string;
  readonly meta?: unknown;
  readonly algocustomdata?: unknown;
  readonly userdata?: unknown;
  readonly envs?: Readonly<Record<string, string>>;
}

export interface ClientEnvironment {
  readonly id: string;
  readonly description?: string;
  readonly consumerAddress: string;
  readonly maxJobDuration?: number;
  readonly fees?: Readonly<Record<string, readonly { readonly feeToken: string }[]>>;
  readonly free?: unknown;
  readonly resources?: readonly { readonly id: string; readonly max: number; readonly min: number; readonly total: number }[];
}

/** One item of an `initializeCompute` answer. */
export interface QuoteItem {
  readonly datatoken: string;
  readonly validOrder?: string | false;
  readonly providerFee?: unknown;
}

export interface Quote {
  readonly algorithm: QuoteItem;
  readonly datasets: readonly QuoteItem[];
  readonly payment?: {
    readonly amount: string;
    readonly escrowAddress: string;
    readonly payee: string;
    readonly minLockSeconds: number;
    readonly token: string;
  };
}

export interface ClientResult {
  readonly filename: string;
  readonly filesize: number;
  readonly type: string;
  readonly index: number;
}

export interface ClientJob {
  readonly jobId: string;
  readonly owner: string;
  readonly status: number;
  readonly statusText: string;
  readonly statusReason?: string;
  readonly dateCreated: string;
  readonly dateFinished: string | null;
  readonly results: readonly ClientResult[];
  readonly agreementId?: string | null;
  readonly algoStartTimestamp?: string;
  readonly algoStopTimestamp?: string;
  readonly payment?: {
    readonly lockTx: string | null;
    readonly claimTx: string | null;
    readonly cancelTx: string | null;
    readonly cost: number;
  } | null;
  readonly terminationDetails?: { readonly exitCode: number | null; readonly OOMKilled: boolean; readonly reason?: string } | null;
}
