/** A real S3 server of a test file's own, and stores in its bucket. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { s3StoreConfig, type S3StoreConfig } from '../../infra/storage/config.ts';
import type { StoredFileRef } from '../../infra/storage/resultStore.ts';
import type { MultipartUploads } from '../../infra/storage/s3Multipart.ts';
import { ensureVersitygw, startS3Server, type S3Server } from '../../infra/toolchain/versitygw.ts';

/** A server that takes its folder with it. */
export const openS3Server = async (): Promise<S3Server> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'c2d-s3-'));
  const { path: file } = await ensureVersitygw();
  const server = await startS3Server({ file, folder });
  const stop = server.close;
  return Object.assign(server, {
    close: async () => {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  });
};

/** Settings of a store in the server's bucket. @param endpoint instead of the server's own, e.g. that of a proxy */
export const s3SettingsOf = (server: S3Server, changes: Partial<S3StoreConfig> = {}): S3StoreConfig =>
  s3StoreConfig.parse({
    ...{ name: 'bucket', kind: 's3', bucket: server.bucket, endpoint: server.endpoint, region: server.region, pathStyle: true },
    ...{ credentials: server.credentials, ...changes },
  });

const nameOf = ({ jobId, podAttempt, n }: StoredFileRef): string => `${jobId}/${podAttempt}/${n}`;

/** Uploads remembered in memory; share one among several stores to play several processes. */
export const rememberedUploads = (): MultipartUploads & { readonly size: () => number } => {
  const known = new Map<string, StoredFileRef & { readonly uploadId: string }>();
  return {
    size: () => known.size,
    find: async (file) => known.get(nameOf(file))?.uploadId ?? null,
    remember: async ({ jobId, podAttempt, n }, uploadId) => {
      const name = nameOf({ jobId, podAttempt, n });
      if (!known.has(name)) known.set(name, { jobId, podAttempt, n, uploadId });
      return known.get(name)!.uploadId;
    },
    forget: async (file) => void known.delete(nameOf(file)),
    list: async ({ jobId, podAttempt }) =>
      [...known.values()].filter((file) => file.jobId === jobId && (podAttempt === undefined || file.podAttempt === podAttempt)),
  };
};
