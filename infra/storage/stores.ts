/** All stores of an installation, told apart by name. */

import type { Readable } from 'node:stream';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { storesOf, type StorageConfig, type StoreConfig } from './config.ts';
import { localStore } from './local.ts';
import type { PlacedFileRef, ResultStore, StoredFile, StoredPart } from './resultStore.ts';
import { s3Store } from './s3.ts';
import type { MultipartUploads } from './s3Multipart.ts';

/** As `ResultStore`, for files that say in which store they are. A store that is no longer configured: `StorageRefused`. */
export interface ResultStores {
  putPart(file: PlacedFileRef, part: StoredPart, bytes: Readable): Promise<void>;
  complete(file: PlacedFileRef, expected: StoredFile): Promise<void>;
  read(file: PlacedFileRef, range?: { readonly start: number; readonly end: number }): Promise<Readable>;
  remove(job: { readonly store: string; readonly jobId: string; readonly podAttempt?: number }): Promise<void>;
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
}

const openStore = (store: StoreConfig, { uploads }: StoresDeps): ResultStore => {
  switch (store.kind) {
    case 'local':
      return localStore(store);
    case 's3':
      return s3Store({ settings: store, uploads });
    default:
      return store satisfies never;
  }
};

/** Opens every configured store; sends nothing yet. */
export const openStores = (config: StorageConfig, deps: StoresDeps): ResultStores => {
  const stores = new Map(storesOf(config).map((store) => [store.name, openStore(store, deps)]));
  const of = (name: string): ResultStore => {
    const store = stores.get(name);
    if (store !== undefined) return store;
    throw new JobFailure('StorageRefused', `the result store ${name} of this job is no longer configured: add it to C2D_STORES`);
  };
  return {
    putPart: async (file, part, bytes) => of(file.store).putPart(file, part, bytes),
    complete: async (file, expected) => of(file.store).complete(file, expected),
    read: async (file, range) => of(file.store).read(file, range),
    remove: async (job) => of(job.store).remove(job),
    checks: Object.fromEntries([...stores].map(([name, store]) => [`storage ${name}`, () => store.check()])),
  };
};
