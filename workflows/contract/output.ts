/** Storage that a consumer names for the outputs of one job. Node-style Provider API §6, `output`. */

/** A place in an S3 bucket of the consumer's. Kept sealed, by itself, and only until the job ends. */
export interface OutputTarget {
  /** origin of the server, `https://…` or `http://…` */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  /** the key of the archive; one that ends in a slash is the folder that it goes into */
  readonly objectKey: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** the bucket in the path instead of the host name */
  readonly pathStyle: boolean;
  /** AES-256 key of the archive, 64 hex digits; null: it is stored as it is */
  readonly aesKey: string | null;
}

/** What has become of the outputs of a job that names a target; nothing of it is secret from the job's owner. */
export interface Delivery {
  /** `failed`: the job has ended, and all its results are in the environment's own store */
  readonly state: 'asked' | 'delivered' | 'failed';
  readonly bucket: string;
  readonly key: string;
  readonly isEncrypted: boolean;
  /** of the archive as it was stored; null until then */
  readonly sizeBytes: number | null;
  readonly sha256: string | null;
}

/** The archive's key in the bucket. */
export const archiveKey = ({ objectKey }: Pick<OutputTarget, 'objectKey'>, jobId: string): string =>
  objectKey.endsWith('/') ? `${objectKey}outputs-${jobId}.tar` : objectKey;

/** 16 bytes */
const ivDigits = 32;

/**
 * The IV of archives that are encrypted with an AES key, as ocean-node has it: the first 16 bytes of the provider's key.
 * @param publicKey `0x…` hex, compressed
 */
export const archiveIv = (publicKey: string): Uint8Array =>
  Uint8Array.from(publicKey.replace(/^0x/, '').slice(0, ivDigits).match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));

/** The delivery that a job begins with. */
export const askedDelivery = (target: OutputTarget, jobId: string): Delivery => ({
  ...{ state: 'asked', bucket: target.bucket, key: archiveKey(target, jobId), isEncrypted: target.aesKey !== null },
  ...{ sizeBytes: null, sha256: null },
});
