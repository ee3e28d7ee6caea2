/** Whether outputs of an environment's jobs become assets, and on whose terms. */

import { z } from 'zod';

const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'is not an address');

export const assetOffer = z.strictObject({
  /** chain on which the assets are made; one of the configured ones */
  chainId: z.number().int().positive(),
  /** where consumers reach this service: it goes into each asset's document */
  serviceEndpoint: z.url({ protocol: /^https?$/, error: 'is not an http(s) URL' }),
  /** `asked`: of jobs that ask for it; `always`: of all jobs */
  publish: z.enum(['asked', 'always']).default('asked'),
  /** of free jobs as well: the service pays the gas of each asset */
  freeJobs: z.boolean().default(false),
  /** who gets the NFT when the job does not say; absent: the job's consumer */
  owner: address.optional(),
  /** services of an asset when the job does not say */
  services: z
    .array(z.enum(['access', 'compute']))
    .min(1)
    .refine((types) => new Set(types).size === types.length, 'names a type twice')
    .default(['access']),
  /** seconds an order is good for; 0: for ever */
  orderSeconds: z.number().int().nonnegative().default(0),
  /** ids of the factory's templates */
  nftTemplate: z.number().int().positive().default(1),
  datatokenTemplate: z.number().int().positive().default(1),
});
