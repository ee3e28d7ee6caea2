/** Shapes of environments on the REST surface. */

import { z } from 'zod';

const offeredAmount = z.strictObject({
  id: z.string(),
  type: z.string(),
  description: z.string().nullable(),
  min: z.number(),
  max: z.number().meta({ description: 'of one job' }),
  total: z.number(),
  inUse: z.number(),
});

const offer = {
  maxJobDuration: z.number(),
  maxJobs: z.number().int(),
  runningJobs: z.number().int(),
  queuedJobs: z.number().int(),
  resources: z.array(offeredAmount),
};

export const environmentView = z
  .strictObject({
    id: z.string(),
    description: z.string(),
    architecture: z.string(),
    os: z.string(),
    minJobDuration: z.number(),
    maxQueueTime: z.number(),
    storageSeconds: z.number().meta({ description: "how long results are kept after a job's end" }),
    maxStorageSeconds: z.number().meta({ description: 'how long the owner of a job may have them kept' }),
    consumerAddress: z.string().meta({ description: 'consumer to name in orders' }),
    paid: z.strictObject(offer),
    free: z.strictObject(offer).nullable(),
    prices: z.array(
      z.strictObject({
        chainId: z.number().int(),
        token: z.string(),
        perMinute: z.array(z.strictObject({ resource: z.string(), price: z.number() })),
      }),
    ),
  })
  .meta({ id: 'Environment' });

export const environmentList = z.strictObject({ environments: z.array(environmentView) }).meta({ id: 'EnvironmentList' });

export type EnvironmentView = z.output<typeof environmentView>;
