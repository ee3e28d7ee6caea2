/** What becomes of a job's outputs when they are to be an asset of the Ocean network. */

/** How an asset's files may be used: fetched, or computed on where they are. */
export type AssetServiceType = 'access' | 'compute';

/** What may compute on an asset; entries as DDOs have them. */
export interface AssetComputeRules {
  readonly allowRawAlgorithm: boolean;
  readonly publisherTrustedAlgorithms: readonly {
    readonly did: string;
    readonly filesChecksum: string;
    readonly containerSectionChecksum: string;
    readonly serviceId?: string | undefined;
  }[];
  readonly publisherTrustedAlgorithmPublishers: readonly string[];
}

/** What people read about an asset. */
export interface AssetMetadata {
  readonly name: string;
  readonly description: string;
  readonly author: string;
  readonly license: string;
  readonly tags: readonly string[];
}

/** The asset that a job is to make of its outputs, with all defaults filled in. Kept with the request. */
export interface AssetRequest {
  /** who gets the NFT */
  readonly owner: string;
  /** the only addresses that may use the asset; empty: everybody */
  readonly allow: readonly string[];
  /** in the order of the document */
  readonly services: readonly AssetServiceType[];
  /** of the service of type compute, if there is one */
  readonly compute: AssetComputeRules;
  /** the algorithm's log is the asset's last file */
  readonly withLog: boolean;
  readonly metadata: AssetMetadata;
}

/** Hashes of the asset's transactions; null for one that was not sent, or not needed. */
export interface AssetTransactions {
  /** NFT and datatoken */
  readonly create: string | null;
  /** the document */
  readonly metadata: string | null;
  /** of the NFT, to an owner who is not the service itself */
  readonly transfer: string | null;
}

/** Where a job's asset stands. */
export interface JobAsset {
  /** `asked`: it is made when the job has finished; `failed`: an operator may try again */
  readonly state: 'asked' | 'publishing' | 'published' | 'failed';
  readonly chainId: number | null;
  readonly did: string | null;
  readonly nftAddress: string | null;
  readonly datatokenAddress: string | null;
  readonly transactions: AssetTransactions;
  /** why it is not there yet, or will not be: one line for people */
  readonly reason: string | null;
}

/** An asset of which nothing has been made. */
export const askedAsset: JobAsset = {
  state: 'asked',
  chainId: null,
  did: null,
  nftAddress: null,
  datatokenAddress: null,
  transactions: { create: null, metadata: null, transfer: null },
  reason: null,
};
