/** What the owner of data lets out of a job. */

/** Kinds of files that a policy can allow; a file is of a kind by its name and by how it begins. */
export const outputFileTypes = [
  ...(['text', 'csv', 'json', 'xml', 'png', 'jpeg', 'gif', 'webp', 'tiff', 'pdf'] as const),
  ...(['zip', 'gzip', 'parquet', 'arrow', 'npy', 'hdf5'] as const),
] as const;

export type OutputFileType = (typeof outputFileTypes)[number];

/** Limits on outputs; null: none of this kind. */
export interface OutputPolicy {
  /** all outputs of a job together */
  readonly maxBytes: number | null;
  readonly maxFiles: number | null;
  readonly fileTypes: readonly OutputFileType[] | null;
  /** false: nobody is shown the algorithm's log */
  readonly publishLog: boolean;
  /** regular expressions of RE2; what they match in a line of the log is replaced before anybody sees it */
  readonly redactLog: readonly string[];
}

/** A container of the publisher's that judges outputs; always the same one, because it is named by its digest. */
export interface OwnerFilter {
  /** `name@sha256:…` */
  readonly image: string;
  /** argv */
  readonly command: readonly string[];
  /** how long it may take */
  readonly seconds: number;
}

/** What a publisher can declare about the outputs of jobs on a dataset. */
export interface DeclaredPolicy extends OutputPolicy {
  readonly filter?: OwnerFilter | undefined;
}

/** A policy, and whose it is: `environment small`, or a DID. All rules of a job hold, so the strictest wins. */
export interface OutputRule extends OutputPolicy {
  readonly by: string;
}
