/** The parts of an upload that a consumer's storage has already. */

import { ListPartsCommand, type S3Client } from '@aws-sdk/client-s3';
import { codeOfS3Error } from '../storage/s3Failure.ts';

interface SentPart {
  readonly sizeBytes: number;
  readonly etag: string;
  /** SHA-256 in base64; undefined where the server keeps none */
  readonly checksum: string | undefined;
}

/** By number, from 0. */
export type SentParts = ReadonlyMap<number, SentPart>;

interface Place {
  readonly client: S3Client;
  readonly bucket: string;
  readonly key: string;
}

/** @returns null when the upload is over, or was never begun */
export const listSentParts = async ({ client, bucket, key }: Place, uploadId: string): Promise<SentParts | null> => {
  const sent = new Map<number, SentPart>();
  try {
    for (let marker: string | undefined, isMore = true; isMore;) {
      const page = await client.send(new ListPartsCommand({ Bucket: bucket, Key: key, UploadId: uploadId, PartNumberMarker: marker }));
      for (const { PartNumber, Size, ETag, ChecksumSHA256 } of page.Parts ?? [])
        sent.set((PartNumber ?? 0) - 1, { sizeBytes: Size ?? -1, etag: ETag ?? '', checksum: ChecksumSHA256 });
      // servers also send a marker after the last page
      isMore = page.IsTruncated === true && page.NextPartNumberMarker !== marker;
      marker = page.NextPartNumberMarker;
    }
  } catch (err) {
    if (codeOfS3Error(err) === 'NoSuchUpload') return null;
    throw err;
  }
  return sent;
};
