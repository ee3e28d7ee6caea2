/** Takes a job's objects and unfinished uploads out of a bucket. */

import { DeleteObjectsCommand, ListMultipartUploadsCommand, paginateListObjectsV2, type S3Client } from '@aws-sdk/client-s3';
import { storageUnavailable } from './localFailure.ts';
import { abortUpload, type MultipartUploads } from './s3Multipart.ts';

interface Place {
  readonly client: S3Client;
  readonly bucket: string;
  readonly uploads: MultipartUploads;
}

interface RemovedJob {
  readonly jobId: string;
  readonly podAttempt?: number;
  /** begins the keys of everything that goes; ends in a slash */
  readonly prefix: string;
}

/** After the call nothing below the prefix is left, unfinished uploads included. Safe to repeat. */
export const removeJob = async (place: Place, job: RemovedJob): Promise<void> => {
  await abortUploads(place, job);
  const { client, bucket } = place;
  for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: job.prefix })) {
    const Objects = Contents.flatMap(({ Key }) => (Key === undefined ? [] : [{ Key }]));
    if (Objects.length === 0) continue;
    const { Errors = [] } = await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }));
    const [first] = Errors.filter(({ Code }) => Code !== 'NoSuchKey');
    if (first !== undefined) throw Object.assign(storageUnavailable('the result store did not delete everything'), { cause: first.Code });
  }
};

/** What is remembered, and what somebody began and could not remember any more. */
const abortUploads = async (place: Place, { prefix, ...job }: RemovedJob): Promise<void> => {
  const { client, bucket, uploads } = place;
  const attempts = `${job.jobId}/`;
  const root = prefix.slice(0, prefix.lastIndexOf(attempts));
  for (const { uploadId, ...file } of await uploads.list(job)) {
    await abortUpload(place, { key: `${root}${file.jobId}/${file.podAttempt}/${file.n}`, uploadId });
    await uploads.forget(file);
  }
  for (;;) {
    const { Uploads = [], IsTruncated } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix }));
    for (const { Key: key, UploadId: uploadId } of Uploads)
      if (key !== undefined && uploadId !== undefined) await abortUpload(place, { key, uploadId });
    if (IsTruncated !== true || Uploads.length === 0) return;
  }
};
