/** Storage of a consumer's own, as requests name it, and what is found there. */

import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { GetObjectCommand, ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { extract } from 'tar-stream';
import { createS3Client } from '../../infra/storage/s3Client.ts';
import type { S3Server } from '../../infra/toolchain/versitygw.ts';
import type { OutputTarget } from '../../workflows/contract/output.ts';
import { s3SettingsOf } from './s3.ts';

/** A folder in the server's bucket. */
export const aTarget = (server: S3Server, over: Partial<OutputTarget> = {}): OutputTarget => ({
  ...{ endpoint: server.endpoint, region: server.region, bucket: server.bucket, objectKey: 'results/', pathStyle: true, aesKey: null },
  ...{ ...server.credentials, ...over },
});

/** The same as a client writes it. */
export const asRemoteStorage = ({ pathStyle, aesKey: _aesKey, ...access }: OutputTarget) => ({
  remoteStorage: { type: 's3', s3Access: { ...access, forcePathStyle: pathStyle } },
});

/** Looks into the bucket with rights of its own. */
export const bucketOf = (server: S3Server) => {
  const settings = s3SettingsOf(server);
  const client = createS3Client(settings);
  const { bucket: Bucket } = settings;
  return {
    async keys(): Promise<string[]> {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
      return Contents.map(({ Key }) => Key ?? '').toSorted();
    },
    async read(Key: string): Promise<Buffer> {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
      return buffer(Body as Readable);
    },
    async uploads(): Promise<number> {
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
      return Uploads.length;
    },
  };
};

/** Files of a tar by their path. */
export const unpack = async (bytes: Buffer): Promise<Record<string, Buffer>> => {
  const found: Record<string, Buffer> = {};
  const reader = extract();
  Readable.from([bytes]).pipe(reader);
  for await (const entry of reader) {
    const content = await buffer(entry);
    if (entry.header.type === 'file') found[entry.header.name] = content;
  }
  return found;
};
