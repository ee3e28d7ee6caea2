/** A plain client of S3 that uploads files of this machine: what any way into a bucket is compared with. */

import { open, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { S3Server } from '../../infra/toolchain/versitygw.ts';

const partBytes = 8 * 1024 ** 2;
const partsAtOnce = 4;
const filesAtOnce = 16;

/** Where to, and from where. */
interface Upload {
  readonly client: S3Client;
  readonly bucket: string;
  readonly key: string;
  readonly file: string;
}

/** Works through `0` to `count - 1`, so many at once. */
const inTurns = async (count: number, atOnce: number, work: (index: number) => Promise<void>): Promise<void> => {
  let next = 0;
  const takeTurns = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, takeTurns));
};

const uploadInParts = async ({ client, bucket, key, file }: Upload, bytes: number): Promise<void> => {
  const place = { Bucket: bucket, Key: key };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(place));
  const handle = await open(file);
  try {
    const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
    await inTurns(Math.ceil(bytes / partBytes), partsAtOnce, async (k) => {
      const Body = Buffer.allocUnsafeSlow(Math.min(partBytes, bytes - k * partBytes));
      await handle.read(Body, 0, Body.length, k * partBytes);
      const { ETag } = await client.send(new UploadPartCommand({ ...place, UploadId, PartNumber: k + 1, Body }));
      Parts[k] = { PartNumber: k + 1, ETag };
    });
    await client.send(new CompleteMultipartUploadCommand({ ...place, UploadId, MultipartUpload: { Parts } }));
  } finally {
    await handle.close();
  }
};

/** Uploads every file of a folder with the library's own settings. @returns milliseconds */
export const uploadPlainly = async ({ region, endpoint, credentials, bucket }: S3Server, folder: string): Promise<number> => {
  const client = new S3Client({ region, endpoint, forcePathStyle: true, credentials: { ...credentials } });
  try {
    const names = await readdir(folder);
    const startedAt = performance.now();
    await inTurns(names.length, filesAtOnce, async (index) => {
      const name = names[index] ?? '';
      const [file, key] = [path.join(folder, name), `plain/${name}`];
      const { size } = await stat(file);
      if (size > partBytes) return uploadInParts({ client, bucket, key, file }, size);
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: await readFile(file) }));
    });
    return performance.now() - startedAt;
  } finally {
    client.destroy();
  }
};
