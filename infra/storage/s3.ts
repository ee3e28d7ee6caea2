/** Results in a bucket of Amazon S3, or of anything that speaks its protocol. */

import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand, UploadPartCommand, type S3Client } from '@aws-sdk/client-s3';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { isJobId } from '../../workflows/contract/ids.ts';
import type { S3StoreConfig } from './config.ts';
import { storageUnavailable } from './localFailure.ts';
import type { ResultStore, StoredFile, StoredFileRef, StoredPart, WholeFile } from './resultStore.ts';
import { createS3Client, encryptionOf } from './s3Client.ts';
import { removeJob } from './s3Removal.ts';
import { codeOfS3Error, s3Failure } from './s3Failure.ts';
import { createMultipart, type Multipart, type MultipartUploads, type SentPart } from './s3Multipart.ts';
import { base64Of, isStoredAs, partDigestsOf } from './s3Verification.ts';

/** What an S3 store needs. */
export interface S3StoreDeps {
  readonly settings: S3StoreConfig;
  readonly uploads: MultipartUploads;
  /** default: one made from the settings */
  readonly client?: S3Client;
}

/** One bucket, and where in it a job's files are. */
export interface S3Bucket {
  readonly client: S3Client;
  readonly bucket: string;
  readonly settings: S3StoreConfig;
  readonly multipart: Multipart;
  readonly uploads: MultipartUploads;
}

const checkedForMs = 30_000;

/**
 * Objects `<prefix><jobId>/<podAttempt>/<n>`, private: no ACL is ever sent. Parts become the parts of a multipart upload
 * whose id `uploads` remembers, so that any process goes on with it. Files are complete when S3 has told size and digest.
 */
export const s3Store = ({ settings, uploads, client = createS3Client(settings) }: S3StoreDeps): ResultStore => {
  const { bucket } = settings;
  const place: S3Bucket = { client, bucket, settings, uploads, multipart: createMultipart({ client, bucket, settings, uploads }) };
  let checkedUntilMs = 0;
  return {
    putPart: (file, part, bytes) => translateErrors(() => putPart(place, { file, part, bytes })),
    complete: (file, expected) => translateErrors(() => completeFile(place, file, expected)),
    putWhole: (file, whole, bytes) => translateErrors(() => putObject(place, { file, whole, bytes })),
    read: (file, range) => translateErrors(() => readObject(place, keyOf(settings, file), range)),
    remove: (job) => translateErrors(() => removeJob(place, { ...job, prefix: prefixOf(settings, job) })),
    check: () =>
      translateErrors(async () => {
        if (Date.now() < checkedUntilMs) return;
        await client.send(new PutObjectCommand({ Bucket: bucket, Key: `${settings.prefix}.probe`, Body: '', ...encryptionOf(settings) }));
        checkedUntilMs = Date.now() + checkedForMs;
      }),
  };
};

const translateErrors = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (err) {
    throw s3Failure(err);
  }
};

const prefixOf = (settings: S3StoreConfig, { jobId, podAttempt }: { readonly jobId: string; readonly podAttempt?: number }): string => {
  if (!isJobId(jobId)) throw new JobFailure('StorageRefused', 'results are stored under job ids only');
  return `${settings.prefix}${jobId}/${podAttempt === undefined ? '' : `${asNumber(podAttempt)}/`}`;
};

const keyOf = (settings: S3StoreConfig, { jobId, podAttempt, n }: StoredFileRef): string =>
  `${prefixOf(settings, { jobId, podAttempt })}${asNumber(n)}`;

const asNumber = (value: number): string => {
  if (!Number.isSafeInteger(value) || value < 0) throw new JobFailure('StorageRefused', 'results are stored under numbers only');
  return String(value);
};

interface PartWork {
  readonly file: StoredFileRef;
  readonly part: StoredPart;
  readonly bytes: Readable;
}

/** Ends `work` when the bytes that it sends are cut: the library waits for the end of a stream that has none. */
const unlessCut = async <T>(bytes: Readable, work: (abortSignal: AbortSignal) => Promise<T>): Promise<T> => {
  const cut = new AbortController();
  const onCut = (): void => {
    if (!bytes.readableEnded) cut.abort();
  };
  bytes.once('error', onCut).once('close', onCut);
  try {
    return await work(cut.signal);
  } catch (err) {
    throw cut.signal.aborted ? storageUnavailable('the upload was cut', 1) : err;
  } finally {
    bytes
      .off('error', onCut)
      .off('close', onCut)
      .once('error', () => undefined);
  }
};

/** Streams the part, unless the bucket has it; one with other bytes replaces it. */
const putPart = async ({ client, bucket, settings, multipart, uploads }: S3Bucket, { file, part, bytes }: PartWork): Promise<void> => {
  const key = keyOf(settings, file);
  await unlessCut(bytes, async (abortSignal) => {
    const upload = { key, uploadId: await multipart.uploadOf(file, key) };
    if (await multipart.hasPart(upload, part)) return void (await finished(bytes.resume(), { signal: abortSignal }));
    const command = new UploadPartCommand({
      ...{ Bucket: bucket, Key: key, UploadId: upload.uploadId, PartNumber: part.k + 1 },
      ...{ Body: bytes, ContentLength: part.sizeBytes, ChecksumSHA256: base64Of(part.sha256) },
    });
    await client.send(command, { abortSignal });
    multipart.notePart(upload, part);
  }).catch(async (err: unknown) => {
    if (codeOfS3Error(err) === 'NoSuchUpload') await uploads.forget(file);
    throw err;
  });
};

interface WholeWork {
  readonly file: StoredFileRef;
  readonly whole: WholeFile;
  readonly bytes: Readable;
}

/** One request: a server that tells the checksum has computed it from what it took. */
const putObject = async (place: S3Bucket, { file, whole: { sizeBytes, sha256 }, bytes }: WholeWork): Promise<void> => {
  const { client, bucket, settings } = place;
  const [key, checksum] = [keyOf(settings, file), base64Of(sha256)];
  const command = new PutObjectCommand({
    ...{ Bucket: bucket, Key: key, Body: sizeBytes === 0 ? '' : bytes, ContentLength: sizeBytes, ChecksumSHA256: checksum },
    ...encryptionOf(settings),
  });
  const { ChecksumSHA256: told } = await unlessCut(bytes, (abortSignal) => client.send(command, { abortSignal }));
  if (told === checksum || (await isStoredAs(place, key, { sizeBytes, sha256, parts: 1, partBytes: sizeBytes }))) return;
  await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
  throw notAsSent();
};

/** The parts are looked at before they become the file, the file afterwards. */
const completeFile = async (place: S3Bucket, file: StoredFileRef, expected: StoredFile): Promise<void> => {
  const { client, bucket, settings, multipart } = place;
  const key = keyOf(settings, file);
  if (expected.sizeBytes === 0) {
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: '', ...encryptionOf(settings) }));
    return;
  }
  const upload = await multipart.find(file, key);
  const sent = upload === null ? [] : await multipart.listParts(upload);
  if (upload === null || !areWhole(sent, expected)) {
    // a lost answer: the file may be complete already, and a late repetition may have begun it anew
    if (upload !== null) multipart.forgetParts(upload);
    if (!(await isStoredAs(place, key, expected))) throw storageUnavailable('a file was completed before its parts arrived', 1);
    await multipart.drop(file, upload);
    return;
  }
  if (!areSentAs(sent, expected)) {
    await multipart.drop(file, upload);
    throw notAsSent();
  }
  await multipart.join(upload, sent);
  if (!(await isStoredAs(place, key, expected))) {
    await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
    await multipart.drop(file, null);
    throw notAsSent();
  }
  await multipart.drop(file, null);
};

const notAsSent = (): JobFailure => storageUnavailable('a file did not arrive as it was sent', 1);

/** Every part is there, and as long as it must be. */
const areWhole = (sent: readonly SentPart[], { sizeBytes, parts, partBytes }: StoredFile): boolean =>
  sent.length === parts &&
  sent.every(({ k, sizeBytes: size }, index) => k === index && size === (k < parts - 1 ? partBytes : sizeBytes - (parts - 1) * partBytes));

/** Where both sides tell the digests of the parts, they agree. */
const areSentAs = (sent: readonly SentPart[], expected: StoredFile): boolean => {
  const digests = partDigestsOf(expected);
  return digests === null || sent.every(({ k, checksum }) => checksum === undefined || checksum === base64Of(digests[k] ?? ''));
};

const readObject = async (
  { client, bucket }: S3Bucket,
  key: string,
  range: { readonly start: number; readonly end: number } | undefined,
): Promise<Readable> => {
  const command = new GetObjectCommand({ Bucket: bucket, Key: key, ...(range && { Range: `bytes=${range.start}-${range.end}` }) });
  const { Body } = await client.send(command);
  if (Body === undefined) throw storageUnavailable('the result store sent no bytes', 1);
  return Body as Readable;
};
