/** Configuration keys of result storage: stores by name, of which each environment chooses one. */

import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { defaultStore } from '../../workflows/contract/spec.ts';
import type { ComputeEnvironment } from '../environments/environments.ts';
import { json } from '../process/config.ts';

const filePrefix = 'file://';

/** A secret, or `file://` and the path of a file that has it. The message names no value. */
const secret = z
  .string()
  .min(1)
  .transform((text, context) => {
    if (!text.startsWith(filePrefix)) return text;
    try {
      return readFileSync(text.slice(filePrefix.length), 'utf8').trim();
    } catch {
      context.addIssue({ code: 'custom', message: 'the file it names cannot be read' });
      return z.NEVER;
    }
  });

const name = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'is not a name of lower-case letters, digits and dashes');

/** A folder that all processes share. */
const localStoreConfig = z.strictObject({ name, kind: z.literal('local'), folder: z.string().min(1) });

/** A bucket of Amazon S3 or of anything that speaks its protocol. */
export const s3StoreConfig = z.strictObject({
  name,
  kind: z.literal('s3'),
  bucket: z.string().min(1),
  region: z.string().min(1).default('us-east-1'),
  /** absent: Amazon's for the region */
  endpoint: z.url({ protocol: /^https?$/ }).optional(),
  /** the bucket in the path instead of the host name: most servers other than Amazon's need it */
  pathStyle: z.boolean().default(false),
  /** begins every object key; ends in a slash unless empty */
  prefix: z
    .string()
    .regex(/^([A-Za-z0-9._-]+\/)*$/, 'is not empty and does not end in a slash, or has other characters than letters, digits and . _ - /')
    .default(''),
  /** absent: the default chain (environment variables, role of the service account or the machine) */
  credentials: z.strictObject({ accessKeyId: secret, secretAccessKey: secret, sessionToken: secret.optional() }).optional(),
  serverSideEncryption: z
    .discriminatedUnion('algorithm', [
      z.strictObject({ algorithm: z.literal('AES256') }),
      z.strictObject({ algorithm: z.literal('aws:kms'), keyId: z.string().min(1).optional() }),
    ])
    .optional(),
  /** seconds without a byte on a connection after which a request fails */
  idleSeconds: z.number().positive().default(30),
});

/** Nodes of IPFS with the RPC API of Kubo. */
export const ipfsStoreConfig = z
  .strictObject({
    name,
    kind: z.literal('ipfs'),
    /** in order of preference */
    nodes: z
      .array(
        z.strictObject({
          /** of the RPC API, which may do everything: no address of a gateway */
          url: z.url({ protocol: /^https?$/ }),
          /** value of the header `Authorization` */
          authorization: secret.optional(),
        }),
      )
      .min(1),
    /** so many nodes must have a job's results, pinned, before it ends; absent: all */
    copies: z.number().int().positive().optional(),
    /** of the nodes' own file system */
    folder: z
      .string()
      .regex(/^(\/[A-Za-z0-9._-]+)+$/, 'is not an absolute path of letters, digits and . _ -')
      .default('/durable-c2d'),
    /** whoever learns a CID can read the content: nobody is to choose such a store by mistake */
    readableByCid: z.literal(true, 'must be true: whoever learns the CID of a file in IPFS can read it'),
    /** has nodes drop what nothing holds after results were removed; they do so with everything that is not pinned */
    collectGarbage: z.boolean().default(false),
    /** seconds without a byte after which what is sent to a node has failed */
    idleSeconds: z.number().positive().default(60),
  })
  .superRefine(({ nodes, copies }, context) => {
    if (copies !== undefined && copies > nodes.length)
      context.addIssue({ code: 'custom', path: ['copies'], message: 'is more than there are nodes' });
  });

/** One named store. */
export const storeConfig = z.discriminatedUnion('kind', [localStoreConfig, s3StoreConfig, ipfsStoreConfig]);

const storeConfigs = z.array(storeConfig).superRefine((stores, context) => {
  const seen = new Set<string>();
  stores.forEach((store, index) => {
    if (seen.has(store.name)) context.addIssue({ code: 'custom', path: [index, 'name'], message: 'is used twice' });
    seen.add(store.name);
  });
});

export const storageKeys = {
  /** folder for results, the store named `default`; all processes must see the same one */
  C2D_STORAGE_FOLDER: z.string().min(1).optional(),
  /** named stores; environments choose one by `storage` */
  C2D_STORES: json(storeConfigs).prefault('[]'),
};

/** Values of `storageKeys`. */
export type StorageConfig = z.output<z.ZodObject<typeof storageKeys>>;
export type StoreConfig = z.output<typeof storeConfig>;
export type IpfsStoreConfig = z.output<typeof ipfsStoreConfig>;
export type S3StoreConfig = z.output<typeof s3StoreConfig>;

/** All stores; `C2D_STORAGE_FOLDER` is one of them. */
export const storesOf = ({ C2D_STORAGE_FOLDER: folder, C2D_STORES: stores }: StorageConfig): readonly StoreConfig[] => [
  ...(folder === undefined ? [] : [{ name: defaultStore, kind: 'local' as const, folder }]),
  ...stores,
];

/** smallest part, but for the last one, that S3 takes, and how many of them */
const smallestS3Part = 5 * 1024 ** 2;
const mostS3Parts = 10_000;

/** Rules across keys: what environments name is there, and parts are as large as every store needs them. */
export const requireStores = (
  config: StorageConfig & { readonly C2D_ENVIRONMENTS: readonly ComputeEnvironment[]; readonly C2D_UPLOAD_PART_BYTES?: number },
  context: z.core.$RefinementCtx,
): void => {
  const complain = (path: (string | number)[], message: string): void => context.addIssue({ code: 'custom', path, message });
  const stores = storesOf(config);
  if (stores.filter(({ name: one }) => one === defaultStore).length > 1)
    complain(['C2D_STORES'], `has a store named ${defaultStore}, which is C2D_STORAGE_FOLDER already: unset one of them`);
  config.C2D_ENVIRONMENTS.forEach(({ storage }, index) => {
    if (stores.some(({ name: one }) => one === storage)) return;
    complain(['C2D_ENVIRONMENTS', index, 'storage'], `is none of the stores: set C2D_STORAGE_FOLDER, or name it in C2D_STORES`);
  });
  const { C2D_UPLOAD_PART_BYTES: partBytes } = config;
  if (partBytes === undefined) return;
  const inS3 = config.C2D_ENVIRONMENTS.filter(({ storage }) => stores.some(({ name: one, kind }) => one === storage && kind === 's3'));
  const largest = Math.max(0, ...inS3.flatMap(({ limits: { outputBytes, logBytes } }) => [outputBytes, logBytes]));
  const least = Math.max(smallestS3Part, Math.ceil(largest / mostS3Parts));
  if (inS3.length > 0 && partBytes < least)
    complain(['C2D_UPLOAD_PART_BYTES'], `is below the ${least} that S3 needs for outputs of this size`);
};
