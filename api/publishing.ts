/** Outputs that are to become assets: what clients ask for, and what an environment makes of it. */

import { z } from 'zod';
import type { AssetRequest } from '../workflows/contract/asset.ts';
import { isJsonObject } from './losslessJson.ts';
import type { ComputeEnvironment } from './ports.ts';
import { Refusal } from './problems.ts';

const account = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'is not an address')
  .refine((text) => !/^0x0{40}$/.test(text), 'is the zero address');
const line = (most: number) => z.string().min(1).max(most);

const metadata = z.strictObject({
  name: line(256).optional(),
  description: line(4_096).optional(),
  author: line(256).optional(),
  license: line(256).optional(),
  tags: z.array(line(64)).max(20).default([]),
});

const compute = z.strictObject({
  allowRawAlgorithm: z.boolean().default(false),
  publisherTrustedAlgorithms: z
    .array(
      z.strictObject({ did: line(128), filesChecksum: line(20_000), containerSectionChecksum: line(128), serviceId: line(256).optional() }),
    )
    .max(20)
    .default([]),
  publisherTrustedAlgorithmPublishers: z.array(account).max(100).default([]),
});

/** What a request says about the asset; what it leaves out is up to the environment. */
export const askedAsset = z
  .strictObject({
    owner: account
      .optional()
      .meta({ description: 'who gets the NFT; absent: the consumer of the job, unless the operator decides otherwise' }),
    allow: z.array(account).max(100).default([]).meta({ description: 'the only addresses that may use the asset; empty: everybody' }),
    services: z
      .array(z.enum(['access', 'compute']))
      .min(1)
      .max(2)
      .refine((types) => new Set(types).size === types.length, 'names a type twice')
      .optional(),
    compute: compute.prefault({}).meta({ description: 'what may compute on a service of type compute; nothing unless told' }),
    algorithmLog: z.boolean().default(false).meta({ description: "the algorithm's log is the asset's last file" }),
    metadata: metadata.prefault({}),
  })
  .meta({ id: 'PublishOutput', description: 'makes the outputs a new asset once the job has finished, where the environment offers that' });

type AskedAsset = z.output<typeof askedAsset>;

const legacyOutput = z.object({
  owner: z.union([account, z.literal('').transform(() => undefined)]).nullish(),
  whitelist: z.array(account).max(100).nullish(),
  publishAlgorithmLog: z.boolean().nullish(),
  metadata: z.object(metadata.shape).partial().nullish(),
  // no client knows these yet
  services: askedAsset.shape.services,
  compute: askedAsset.shape.compute,
});

/**
 * The asset that `output` of an older client asks for (`publishOutput, publishAlgorithmLog, owner, whitelist,
 * metadata`, and what `askedAsset` has beside them); null when it asks for none.
 * @throws ZodError for one that cannot be made
 */
export const readLegacyAsset = (output: unknown): AskedAsset | null => {
  if (!isJsonObject(output) || output['publishOutput'] !== true) return null;
  const { owner, whitelist, publishAlgorithmLog, metadata: told, ...rest } = legacyOutput.parse(output);
  return {
    ...rest,
    owner: owner ?? undefined,
    ...{ allow: whitelist ?? [], algorithmLog: publishAlgorithmLog ?? false, metadata: metadata.parse(told ?? {}) },
  };
};

/** Whose job it is, and where it runs. */
export interface AssetContext {
  readonly environment: Pick<ComputeEnvironment, 'id' | 'assets'>;
  readonly consumerAddress: string;
  readonly isFree: boolean;
}

const offerOf = ({ environment, isFree }: AssetContext) =>
  isFree && environment.assets?.freeJobs !== true ? undefined : environment.assets;

/**
 * The asset that a job makes, for its specification; nothing where it makes none. What an environment does not offer is
 * ignored, as older clients expect.
 * @param asked null where the request does not ask for one
 */
export const assetPart = (asked: AskedAsset | null, context: AssetContext): { readonly asset?: AssetRequest } => {
  const offer = offerOf(context);
  if (offer === undefined || (asked === null && offer.publish !== 'always')) return {};
  const { owner, allow, services, compute: rules, algorithmLog, metadata: told } = asked ?? askedAsset.parse({});
  const { consumerAddress, environment } = context;
  const { name = 'Results of a compute job', description = `Outputs of a compute-to-data job in environment ${environment.id}` } = told;
  const { author = consumerAddress, license = 'No license given', tags } = told;
  return {
    asset: {
      owner: owner ?? offer.owner ?? consumerAddress,
      ...{ allow, services: services ?? offer.services, compute: rules, withLog: algorithmLog },
      metadata: { name, description, author, license, tags },
    },
  };
};

/** @throws Refusal 400 when an asset is asked for and the environment makes none of such jobs */
export const requireAssetOffer = (asked: AskedAsset | null, context: AssetContext): void => {
  if (asked === null || offerOf(context) !== undefined) return;
  const of = context.environment.assets === undefined ? 'outputs' : 'outputs of free jobs';
  throw new Refusal(
    400,
    `environment ${context.environment.id} makes no assets of ${of}: leave out publishOutput, or choose another environment`,
  );
};

/**
 * Outputs that only one recipient can read are of no use as an asset.
 * @param asked null where the request does not ask for one
 * @throws Refusal 400 when a job would make one, because it asks for it or because the environment always does
 */
export const refuseEncryptedAsset = (asked: AskedAsset | null, context: AssetContext): void => {
  if (assetPart(asked, context).asset === undefined) return;
  const { id, assets } = context.environment;
  throw new Refusal(
    400,
    assets?.publish === 'always'
      ? `environment ${id} makes an asset of all outputs, which its users could not read: leave out encryption, or choose another environment`
      : 'outputs that are encrypted to one recipient are of no use as an asset: leave out encryption or publishOutput',
  );
};

/**
 * Outputs that go to their consumer's own storage are not in this service's, from which an asset's files are read.
 * @param asked null where the request does not ask for one
 * @throws Refusal 400 when a job would make one, because it asks for it or because the environment always does
 */
export const refuseDeliveredAsset = (asked: AskedAsset | null, context: AssetContext): void => {
  if (assetPart(asked, context).asset === undefined) return;
  throw new Refusal(
    400,
    `outputs that become an asset stay in the storage of this service: leave out remoteStorage${asked === null ? ', or choose another environment' : ' or publishOutput'}`,
  );
};

export type { AskedAsset };
