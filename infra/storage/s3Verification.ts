/** Looks whether an object is what it must be: by the digests that S3 tells, else by its bytes. */

import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { GetObjectCommand, HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { StoredFile } from './resultStore.ts';
import { codeOfS3Error } from './s3Failure.ts';

interface Place {
  readonly client: S3Client;
  readonly bucket: string;
}

/** A digest as S3 writes it. */
export const base64Of = (hex: string): string => Buffer.from(hex, 'hex').toString('base64');

/** Digests of all parts as hex; null where they are not told. */
export const partDigestsOf = ({ parts, sha256, partDigests }: StoredFile): readonly string[] | null => {
  if (parts === 1) return [sha256];
  return partDigests?.length === parts ? partDigests : null;
};

/** S3's digest of an object that was sent in parts: of the digests of the parts, and how many there are. */
const compositeOf = (partDigests: readonly string[]): string => {
  const hash = createHash('sha256');
  for (const digest of partDigests) hash.update(Buffer.from(digest, 'hex'));
  return `${hash.digest('base64')}-${partDigests.length}`;
};

/**
 * True when the object has the size and the digest. A server that tells SHA-256 checksums has computed them from what
 * it took; where it tells none, or not one that can be compared, the object is read.
 */
export const isStoredAs = async (place: Place, key: string, expected: StoredFile): Promise<boolean> => {
  const { client, bucket } = place;
  const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' })).catch((err: unknown) => {
    if (['NotFound', 'NoSuchKey'].includes(codeOfS3Error(err))) return null;
    throw err;
  });
  if (head === null || head.ContentLength !== expected.sizeBytes) return false;
  const told = head.ChecksumSHA256;
  if (told === undefined) return isReadAs(place, key, expected);
  if (!told.includes('-')) return told === base64Of(expected.sha256);
  const digests = partDigestsOf(expected);
  return digests === null ? isReadAs(place, key, expected) : told === compositeOf(digests);
};

const isReadAs = async ({ client, bucket }: Place, key: string, { sha256, sizeBytes }: StoredFile): Promise<boolean> => {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  const hash = createHash('sha256');
  let size = 0;
  if (Body !== undefined)
    for await (const chunk of Body as Readable as AsyncIterable<Buffer>) {
      hash.update(chunk);
      size += chunk.length;
    }
  return size === sizeBytes && hash.digest('hex') === sha256;
};
