/** All stores of an installation, told apart by name. */

import type { Readable } from 'node:stream';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { storesOf, type StorageConfig, type StoreConfig } from './config.ts';
import { localStore } from './local.ts';
import type { Exclusively } from './ipfsNode.ts';
import type {
  ContentIds,
  PlacedFileRef,
  ResultStore,
  SealedFile,
  StoredFile,
  StoredFileRef,
  StoredPart,
  WholeFile,
} from './resultStore.ts';
import type { MultipartUploads } from './s3Multipart.ts';

/** As `ResultStore`, for files that say in which store they are. A store that is no longer configured: `StorageRefused`. */
export interface ResultStores {
  putPart(file: PlacedFileRef, part: StoredPart, bytes: Readable): Promise<void>;
  complete(file: PlacedFileRef, expected: StoredFile): Promise<void>;
  putWhole(file: PlacedFileRef, whole: WholeFile, bytes: Readable): Promise<void>;
  read(file: PlacedFileRef, range?: { readonly start: number; readonly end: number }): Promise<Readable>;
  remove(job: { readonly store: string; readonly jobId: string; readonly podAttempt?: number }): Promise<void>;
  /** null from stores whose files have no identity of their own */
  seal(attempt: Omit<PlacedFileRef, 'n'>, files: readonly SealedFile[]): Promise<ContentIds | null>;
  /** Health of every store by `storage` and its name. */
  readonly checks: Readonly<Record<string, () => Promise<void>>>;
}

/** The ledger's operations as the stores want them. */
export const uploadsIn = (ledger: {
  readonly findUpload: MultipartUploads['find'];
  readonly rememberUpload: MultipartUploads['remember'];
  readonly forgetUpload: MultipartUploads['forget'];
  readonly listUploads: MultipartUploads['list'];
}): MultipartUploads => ({
  find: ledger.findUpload,
  remember: ledger.rememberUpload,
  forget: ledger.forgetUpload,
  list: ledger.listUploads,
});

interface StoresDeps {
  readonly uploads: MultipartUploads;
  /** runs work of a name while no other process does */
  readonly exclusively: Exclusively;
}

/** What a kind of store needs is loaded only where one is configured: the clients take most of a process's start. */
const openStore = async (store: StoreConfig, { uploads, exclusively }: StoresDeps): Promise<ResultStore> => {
  switch (store.kind) {
    case 'local':
      return localStore(store);
    case 's3':
      return (await import('./s3.ts')).s3Store({ settings: store, uploads });
    case 'ipfs':
      return (await import('./ipfs.ts')).ipfsStore(store, exclusively);
    default:
      return store satisfies never;
  }
};

/** Stores that have no shorter way take a whole file as its only part. */
const putWhole = async (store: ResultStore, file: StoredFileRef, whole: WholeFile, bytes: Readable): Promise<void> => {
  if (store.putWhole !== undefined) return store.putWhole(file, whole, bytes);
  const { sizeBytes, sha256 } = whole;
  const partDigests = sizeBytes === 0 ? [] : [sha256];
  if (sizeBytes > 0) await store.putPart(file, { k: 0, offset: 0, sizeBytes, sha256 }, bytes);
  return store.complete(file, { sizeBytes, sha256, parts: partDigests.length, partBytes: sizeBytes, partDigests });
};

/** Opens every configured store; sends nothing yet. */
export const openStores = async (config: StorageConfig, deps: StoresDeps): Promise<ResultStores> => {
  const opened = storesOf(config).map(async (store) => [store.name, await openStore(store, deps)] as const);
  const stores = new Map(await Promise.all(opened));
  const of = (name: string): ResultStore => {
    const store = stores.get(name);
    if (store !== undefined) return store;
    throw new JobFailure('StorageRefused', `the result store ${name} of this job is no longer configured: add it to C2D_STORES`);
  };
  return {
    putPart: async (file, part, bytes) => of(file.store).putPart(file, part, bytes),
    complete: async (file, expected) => of(file.store).complete(file, expected),
    putWhole: async (file, whole, bytes) => putWhole(of(file.store), file, whole, bytes),
    read: async (file, range) => of(file.store).read(file, range),
    remove: async (job) => of(job.store).remove(job),
    seal: async (attempt, files) => (await of(attempt.store).seal?.(attempt, files)) ?? null,
    checks: Object.fromEntries([...stores].map(([name, store]) => [`storage ${name}`, () => store.check()])),
  };
};
