/** Multipart uploads that any process can go on with: their ids are remembered outside this process. */

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListPartsCommand,
  type Part,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { S3StoreConfig } from './config.ts';
import { storageUnavailable } from './localFailure.ts';
import type { StoredFileRef, StoredPart } from './resultStore.ts';
import { encryptionOf } from './s3Client.ts';
import { codeOfS3Error } from './s3Failure.ts';
import { createKnownParts } from './s3KnownParts.ts';

/** Remembers which multipart upload takes a file's parts; shared by all processes. */
export interface MultipartUploads {
  find(file: StoredFileRef): Promise<string | null>;
  /** @returns the id that counts: of several that are remembered at once the first */
  remember(file: StoredFileRef, uploadId: string): Promise<string>;
  forget(file: StoredFileRef): Promise<void>;
  /** all that are remembered of a job, or of one of its pod attempts */
  list(job: { readonly jobId: string; readonly podAttempt?: number }): Promise<readonly (StoredFileRef & { readonly uploadId: string })[]>;
}

/** A part that the bucket has. */
export interface SentPart {
  readonly k: number;
  readonly sizeBytes: number;
  readonly etag: string;
  /** SHA-256 in base64; undefined where the server keeps none */
  readonly checksum: string | undefined;
}

/** An upload that is not over. */
export interface Upload {
  readonly key: string;
  readonly uploadId: string;
}

/** Operations on the uploads of one bucket. */
export interface Multipart {
  /** The upload that takes the file's parts; made if there is none. */
  uploadOf(file: StoredFileRef, key: string): Promise<string>;
  find(file: StoredFileRef, key: string): Promise<Upload | null>;
  /** In order. None when the upload is over. */
  listParts(upload: Upload): Promise<readonly SentPart[]>;
  /** Does the bucket have the part? False when this process cannot tell. */
  hasPart(upload: Upload, part: StoredPart): Promise<boolean>;
  notePart(upload: Upload, part: StoredPart): void;
  /** What is known of the upload's parts is not so. */
  forgetParts(upload: Upload): void;
  /** Makes the parts one object; tolerates that an earlier try has done so. */
  join(upload: Upload, parts: readonly SentPart[]): Promise<void>;
  /** Aborts an upload, if one is given, and forgets the file's. */
  drop(file: StoredFileRef, upload: Upload | null): Promise<void>;
}

interface MultipartDeps {
  readonly client: S3Client;
  readonly bucket: string;
  readonly settings: S3StoreConfig;
  readonly uploads: MultipartUploads;
}

export const createMultipart = (deps: MultipartDeps): Multipart => {
  const { client, bucket, uploads } = deps;
  const beginning = new Map<string, Promise<string>>();
  const known = createKnownParts((upload) => listParts(deps, upload));
  return {
    uploadOf(file, key) {
      // the first parts of a file come at once
      const running = beginning.get(key) ?? findOrCreate(deps, file, key).finally(() => beginning.delete(key));
      beginning.set(key, running);
      return running;
    },
    async find(file, key) {
      const uploadId = await uploads.find(file);
      return uploadId === null ? null : { key, uploadId };
    },
    listParts: (upload) => listParts(deps, upload),
    hasPart: (upload, part) => known.has(upload, part),
    notePart: (upload, part) => known.note(upload, part),
    forgetParts: (upload) => known.forget(upload),
    async join({ key, uploadId }, parts) {
      known.forget({ key, uploadId });
      const Parts = parts.map(({ k, etag, checksum }) => ({
        ...{ PartNumber: k + 1, ETag: etag },
        ...(checksum !== undefined && { ChecksumSHA256: checksum }),
      }));
      const command = new CompleteMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId, MultipartUpload: { Parts } });
      await client.send(command).catch(tolerateOver);
    },
    async drop(file, upload) {
      if (upload !== null) await abortUpload(deps, upload);
      await uploads.forget(file);
    },
  };
};

/** An upload that is over is no failure: its object is looked at by whoever needs it. */
const tolerateOver = (err: unknown): void => {
  if (codeOfS3Error(err) !== 'NoSuchUpload') throw err;
};

export const abortUpload = async (
  { client, bucket }: Pick<MultipartDeps, 'client' | 'bucket'>,
  { key, uploadId }: Upload,
): Promise<void> => {
  await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId })).then(() => undefined, tolerateOver);
};

const findOrCreate = async (deps: MultipartDeps, file: StoredFileRef, key: string): Promise<string> => {
  const { client, bucket, settings, uploads } = deps;
  const known = await uploads.find(file);
  if (known !== null) return known;
  const command = new CreateMultipartUploadCommand({ Bucket: bucket, Key: key, ChecksumAlgorithm: 'SHA256', ...encryptionOf(settings) });
  const { UploadId: uploadId } = await client.send(command);
  if (uploadId === undefined) throw storageUnavailable('the result store began no upload', 1);
  const counted = await uploads.remember(file, uploadId);
  if (counted !== uploadId) await abortUpload(deps, { key, uploadId });
  return counted;
};

const listParts = async ({ client, bucket }: MultipartDeps, { key, uploadId }: Upload): Promise<readonly SentPart[]> => {
  const parts: SentPart[] = [];
  try {
    // the library's own paging goes by the marker alone, which servers also send after the last page: it would begin anew
    for (let marker: string | undefined, isMore = true; isMore;) {
      const place = { Bucket: bucket, Key: key, UploadId: uploadId, PartNumberMarker: marker };
      const page = await client.send(new ListPartsCommand(place));
      parts.push(...(page.Parts ?? []).map(toSentPart));
      isMore = page.IsTruncated === true && page.NextPartNumberMarker !== marker;
      marker = page.NextPartNumberMarker;
    }
  } catch (err) {
    tolerateOver(err);
    return [];
  }
  return parts.toSorted((one, other) => one.k - other.k);
};

const toSentPart = ({ PartNumber, Size, ETag, ChecksumSHA256 }: Part): SentPart => ({
  ...{ k: (PartNumber ?? 0) - 1, sizeBytes: Size ?? -1 },
  ...{ etag: ETag ?? '', checksum: ChecksumSHA256 },
});
