/** Buckets that consumers name for their outputs, and what is sent there. */

import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { archiveIv, archiveKey, type OutputTarget } from '../../workflows/contract/output.ts';
import { createGuardedAgent, type GuardedFetchOptions } from '../outbound/guardedFetch.ts';
import { createS3Client } from '../storage/s3Client.ts';
import { codeOfS3Error } from '../storage/s3Failure.ts';
import { base64Of, isStoredAs } from '../storage/s3Verification.ts';
import { archiveOf, encrypted, partBytesFor, partsOf, type ArchiveContents } from './archive.ts';
import { guardedHandler } from './guardedHandler.ts';
import { listSentParts, type SentParts } from './sentParts.ts';
import { targetFailure, targetUnavailable } from './targetFailure.ts';

/** One job's outputs, and where they go. */
export interface Parcel {
  readonly jobId: string;
  readonly target: OutputTarget;
  readonly contents: ArchiveContents;
}

/** How far a delivery is: enough to go on with it in another process. */
export interface DeliveryProgress {
  readonly uploadId: string;
  /** of the archive that have arrived */
  readonly bytes: number;
}

/** The archive as it is stored. */
export interface Delivered {
  readonly sizeBytes: number;
  /** lower-case hex */
  readonly sha256: string;
}

/** What `createS3Targets` needs. */
export interface TargetsDeps {
  readonly outbound: GuardedFetchOptions;
  /** first bytes of the provider's public key are the IV of encrypted archives, as ocean-node has it; `0x…` hex, compressed */
  readonly publicKey: string;
}

const probeName = '.durable-c2d-probe';

interface Place {
  readonly client: S3Client;
  readonly bucket: string;
  readonly key: string;
}

/** Failures are JobFailures `OutputTargetRefused`, `OutputTargetUnavailable`, or those of the store that is read. */
export const createS3Targets = ({ outbound, publicKey }: TargetsDeps) => {
  const agent = createGuardedAgent(outbound);
  const iv = archiveIv(publicKey);
  const placeOf = (target: OutputTarget, jobId: string): Place => ({
    ...{ client: clientOf(target, agent, outbound.idleTimeoutMs), bucket: target.bucket, key: archiveKey(target, jobId) },
  });
  return {
    /** Writes an empty object beside the key of the archive, looks at it, and deletes it. Resolves when all of that works. */
    probe: (target: OutputTarget, jobId: string): Promise<void> => translateErrors(() => probe(placeOf(target, jobId))),
    /**
     * After the call the archive is in the target, its size and digest verified. The same parcel is the same archive
     * under the same key: parts that are there already are not sent again.
     * @param resumed what `onProgress` was told last, by whichever process
     */
    deliver: (parcel: Parcel, following: Following): Promise<Delivered> =>
      translateErrors(() => deliver({ place: placeOf(parcel.target, parcel.jobId), parcel, iv }, following)),
    /** Ends an upload that nobody will go on with: the bucket keeps, and bills, nothing of it. One that is over is none. */
    abandon: ({ target, jobId }: Pick<Parcel, 'target' | 'jobId'>, uploadId: string): Promise<void> =>
      translateErrors(() => abandon(placeOf(target, jobId), uploadId)),
    close: (): Promise<void> => agent.destroy(),
  };
};

/** Who follows a delivery, and what is known of earlier tries. */
export interface Following {
  readonly resumed?: DeliveryProgress | undefined;
  readonly onProgress: (progress: DeliveryProgress) => void;
  readonly signal?: AbortSignal | undefined;
}

const translateErrors = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (err) {
    throw targetFailure(err);
  }
};

const clientOf = (target: OutputTarget, agent: Parameters<typeof guardedHandler>[0], idleTimeoutMs: number): S3Client => {
  const { endpoint, region, bucket, pathStyle, accessKeyId, secretAccessKey } = target;
  const settings = { name: 'output', kind: 's3' as const, prefix: '', idleSeconds: idleTimeoutMs / 1_000 };
  const credentials = { accessKeyId, secretAccessKey };
  return createS3Client({ ...settings, endpoint, region, bucket, pathStyle, credentials }, guardedHandler(agent));
};

const probe = async ({ client, bucket, key }: Place): Promise<void> => {
  const object = { Bucket: bucket, Key: `${key}${probeName}` };
  await client.send(new PutObjectCommand({ ...object, Body: '' }));
  await client.send(new HeadObjectCommand(object));
  await client.send(new DeleteObjectCommand(object));
};

/** Whoever gives up has no time to wait for storage that does not answer; milliseconds. */
const abandonPatienceMs = 5_000;

const abandon = async ({ client, bucket, key }: Place, uploadId: string): Promise<void> => {
  const command = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId });
  await client.send(command, { abortSignal: AbortSignal.timeout(abandonPatienceMs) }).catch((err: unknown) => {
    if (codeOfS3Error(err) !== 'NoSuchUpload') throw err;
  });
};

interface Delivery {
  readonly place: Place;
  readonly parcel: Parcel;
  readonly iv: Uint8Array;
}

/** The archive's parts: the same each time. */
const partsOfDelivery = ({ parcel: { target, contents }, iv }: Delivery): AsyncGenerator<Buffer> => {
  const plain = archiveOf(contents);
  return partsOf(target.aesKey === null ? plain : encrypted(plain, target.aesKey, iv), partBytesFor(contents));
};

const deliver = async (delivery: Delivery, following: Following): Promise<Delivered> => {
  const { place } = delivery;
  const { resumed } = following;
  const sent = resumed === undefined ? null : await listSentParts(place, resumed.uploadId);
  if (resumed !== undefined && sent === null) {
    // the upload is over: its last answer may have been lost
    const whole = await digestParts(partsOfDelivery(delivery), async () => undefined);
    if (await isWhole(delivery, whole)) return whole;
  }
  const uploadId = resumed !== undefined && sent !== null ? resumed.uploadId : await beginUpload(place);
  following.onProgress({ uploadId, bytes: 0 });
  const whole = await sendParts(delivery, { uploadId, sent: sent ?? new Map() }, following);
  if (!(await isWhole(delivery, whole))) throw targetUnavailable('the outputs did not arrive as they were sent');
  return whole;
};

const beginUpload = async ({ client, bucket, key }: Place): Promise<string> => {
  const object = { Bucket: bucket, Key: key, ContentType: 'application/x-tar', ChecksumAlgorithm: 'SHA256' as const };
  const { UploadId: uploadId } = await client.send(new CreateMultipartUploadCommand(object));
  if (uploadId === undefined) throw targetUnavailable('it began no upload');
  return uploadId;
};

/** What an archive is, part by part. */
interface Whole extends Delivered {
  /** lower-case hex */
  readonly partDigests: readonly string[];
}

const digestParts = async (
  parts: AsyncIterable<Buffer>,
  onPart: (part: Buffer, k: number, sha256: string) => Promise<void>,
): Promise<Whole> => {
  const whole = createHash('sha256');
  const partDigests: string[] = [];
  let sizeBytes = 0;
  for await (const part of parts) {
    const sha256 = createHash('sha256').update(part).digest('hex');
    whole.update(part);
    await onPart(part, partDigests.length, sha256);
    partDigests.push(sha256);
    sizeBytes += part.length;
  }
  return { sizeBytes, sha256: whole.digest('hex'), partDigests };
};

interface Upload {
  readonly uploadId: string;
  readonly sent: SentParts;
}

const sendParts = async (delivery: Delivery, { uploadId, sent }: Upload, { onProgress, signal }: Following): Promise<Whole> => {
  const { client, bucket, key } = delivery.place;
  const upload = { Bucket: bucket, Key: key, UploadId: uploadId };
  const etags: string[] = [];
  let bytes = 0;
  const whole = await digestParts(partsOfDelivery(delivery), async (part, k, sha256) => {
    signal?.throwIfAborted();
    const there = sent.get(k);
    const checksum = base64Of(sha256);
    if (there?.sizeBytes === part.length && there.checksum === checksum) etags.push(there.etag);
    else {
      const command = new UploadPartCommand({
        ...upload,
        PartNumber: k + 1,
        Body: part,
        ContentLength: part.length,
        ChecksumSHA256: checksum,
      });
      const { ETag } = await client.send(command, signal === undefined ? {} : { abortSignal: signal });
      etags.push(ETag ?? '');
    }
    bytes += part.length;
    onProgress({ uploadId, bytes });
  });
  const Parts = etags.map((ETag, k) => ({ PartNumber: k + 1, ETag, ChecksumSHA256: base64Of(whole.partDigests[k] ?? '') }));
  await client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } })).catch((err: unknown) => {
    // a repetition of the library's own after a lost answer: the object is looked at anyhow
    if (codeOfS3Error(err) !== 'NoSuchUpload') throw err;
  });
  return whole;
};

const isWhole = ({ place, parcel }: Delivery, { sizeBytes, sha256, partDigests }: Whole): Promise<boolean> =>
  isStoredAs(place, place.key, {
    ...{ sizeBytes, sha256, partDigests, parts: partDigests.length, partBytes: partBytesFor(parcel.contents) },
  });
