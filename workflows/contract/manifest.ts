/** The signed statement about what a job published: an in-toto Statement v1 in a DSSE envelope. docs/manifest.md explains it. */

/** What the statement is about; a URN, because it names a meaning and no place. */
export const manifestPredicateType = 'urn:durable-c2d:result-manifest:v1';

export const statementType = 'https://in-toto.io/Statement/v1';

/** DSSE's name of what is signed. */
export const manifestPayloadType = 'application/vnd.in-toto+json';

/** Media type of the envelope. */
export const envelopeMediaType = 'application/vnd.dsse.envelope.v1+json';

/** A dataset or a published algorithm, as it was validated when the job was accepted. */
export interface ManifestAsset {
  /** null for a file that no asset describes, and for code that was sent along */
  readonly did: string | null;
  readonly chainId: number | null;
  readonly serviceId: string | null;
  /** transaction of the order; null for a free job */
  readonly orderTx: string | null;
  /** sha256 of the canonical JSON (RFC 8785) of the DDO; null where there is none */
  readonly ddoSha256: string | null;
}

/** The image that the algorithm ran in. */
export interface ManifestImage {
  /** as it was asked of the runtime */
  readonly reference: string;
  /** what the order or the request had promised, `sha256:…`; null: nothing */
  readonly promised: string | null;
  /** what the runtime says that it ran: digest of the image, or id of its configuration where no registry gave it; null: not told */
  readonly ran: string | null;
}

/** A file as it lay before the algorithm. */
export interface StagedFile {
  /** below `/data` */
  readonly path: string;
  readonly role: 'input' | 'algorithm' | 'platform';
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** A container that had the outputs before they left, and could change them or keep them back. */
export interface AskedFilter {
  /** whose it is: `environment small`, or the DID of a dataset */
  readonly by: string;
  /** as it was asked of the runtime */
  readonly image: string;
  /** 0: it let them go; null: it ended without a verdict */
  readonly exitCode: number | null;
}

/** A published file. */
export interface ManifestOutput {
  readonly index: number;
  readonly name: string;
  readonly type: 'output' | 'algorithmLog';
  readonly sizeBytes: number;
  readonly sha256: string;
  /** what an encrypted file was before; absent for all others */
  readonly plaintext?: { readonly sizeBytes: number; readonly sha256: string };
  /** CID of the file, version 1; absent where results are not kept in IPFS */
  readonly cid?: string;
}

/** The one file in which outputs went to storage of the consumer's own. */
export interface ManifestArchive {
  /** last part of its key: where it lies is nobody's business to whom the manifest is shown */
  readonly name: string;
  /** with an AES key of the request */
  readonly encrypted: boolean;
  /** as it was stored there */
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** What happened. Times are ISO 8601, UTC. */
export interface ManifestPredicate {
  readonly job: {
    readonly id: string;
    readonly environment: string;
    readonly free: boolean;
    /** of the Ocean status table */
    readonly status: number;
    readonly reason: string;
    readonly exitCode: number | null;
    readonly outOfMemory: boolean;
    readonly resources: Readonly<Record<string, number>>;
    readonly maxRunSeconds: number | null;
  };
  readonly consumer: string;
  readonly provider: { readonly address: string; readonly software: string; readonly version: string };
  readonly chainId: number | null;
  readonly times: {
    readonly created: string;
    readonly algorithmStarted: string | null;
    readonly algorithmFinished: string | null;
    readonly published: string | null;
    readonly ended: string;
  };
  readonly datasets: readonly ManifestAsset[];
  readonly algorithm: ManifestAsset & { readonly image: ManifestImage };
  /** null: the pod's agent did not tell */
  readonly staged: readonly StagedFile[] | null;
  /** in the order in which they were asked; absent where none was */
  readonly filters?: readonly AskedFilter[];
  readonly outputs: readonly ManifestOutput[];
  /** CID of a directory with all outputs; absent where results are not kept in IPFS */
  readonly outputsCid?: string;
  /** absent where the outputs are results here */
  readonly archive?: ManifestArchive;
}

/** An in-toto Statement v1. */
export interface ManifestStatement {
  readonly _type: typeof statementType;
  readonly subject: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[];
  readonly predicateType: typeof manifestPredicateType;
  readonly predicate: ManifestPredicate;
}

/** A DSSE envelope. */
export interface Envelope {
  /** base64 of the statement's canonical JSON */
  readonly payload: string;
  readonly payloadType: string;
  /** `keyid`: checksummed address of the signer; `sig`: base64 of r, s and v, 65 bytes, ECDSA on secp256k1 over the SHA-256 of the PAE */
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
}

/**
 * DSSE's pre-authentication encoding: the bytes that are signed.
 * @see https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
 */
export const preAuthEncoding = (payloadType: string, payload: Uint8Array): Uint8Array => {
  const head = new TextEncoder().encode(`DSSEv1 ${new TextEncoder().encode(payloadType).length} ${payloadType} ${payload.length} `);
  const bytes = new Uint8Array(head.length + payload.length);
  bytes.set(head);
  bytes.set(payload, head.length);
  return bytes;
};
