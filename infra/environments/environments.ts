/** Compute environments: what an operator offers, from configuration. */

import { z } from 'zod';

const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'is not an address');

const access = z
  .object({
    /** consumers who may use it; compare lower-case */
    addresses: z.array(address).default([]),
    /** `{ "<chainId>": [access list contract, …] }` */
    accessLists: z.array(z.record(z.string(), z.array(address))).default([]),
  })
  .prefault({});

const size = z.strictObject({ min: z.number().positive(), max: z.number().positive(), total: z.number().positive() });

/** One environment. Amounts: cpu in cores, ram and disk in GiB. Durations in seconds. */
export const computeEnvironment = z.strictObject({
  /** a stable name: no price and no hash in it */
  id: z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/, 'is not a name of 1 to 63 letters, digits, dots and dashes'),
  description: z.string().default(''),
  /** chains whose orders are taken; empty takes every configured chain */
  chainIds: z.array(z.number().int().positive()).default([]),
  platform: z.object({ architecture: z.string(), os: z.string() }).prefault({ architecture: 'x86_64', os: 'linux' }),
  resources: z.strictObject({ cpu: size, ram: size, disk: size }).prefault({
    cpu: { min: 0.1, max: 1, total: 2 },
    ram: { min: 0.0625, max: 1, total: 4 },
    disk: { min: 0.0625, max: 1, total: 10 },
  }),
  access,
  /** present: free jobs are offered */
  free: z
    .strictObject({ access, maxJobDuration: z.number().int().positive().default(600), maxJobs: z.number().int().positive().default(4) })
    .optional(),
  maxJobs: z.number().int().positive().default(8),
  minJobDuration: z.number().int().nonnegative().default(1),
  maxJobDuration: z.number().int().positive().default(3_600),
  /** longest wait for a place, seconds; a request may ask for less */
  maxQueueTime: z.number().int().nonnegative().default(600),
  storageExpiry: z.number().int().positive().default(604_800),
  /** bare file objects as inputs, without an asset */
  allowFileObjects: z.boolean().default(false),
  /** legacy rule: two empty trusted lists allow every published algorithm */
  emptyTrustedListsAllowAll: z.boolean().default(false),
  limits: z
    .strictObject({
      inputBytes: z
        .number()
        .int()
        .positive()
        .default(10 * 1024 ** 3),
      outputBytes: z
        .number()
        .int()
        .positive()
        .default(10 * 1024 ** 3),
      outputFiles: z.number().int().positive().default(10_000),
      logBytes: z
        .number()
        .int()
        .positive()
        .default(10 * 1024 ** 2),
      createSeconds: z.number().int().positive().default(900),
      stageSeconds: z.number().int().positive().default(3_600),
      publishSeconds: z.number().int().positive().default(3_600),
      graceSeconds: z.number().int().positive().default(10),
      transferPatienceSeconds: z.number().int().positive().default(60),
      podAttempts: z.number().int().positive().max(10).default(3),
    })
    .prefault({}),
});

/** All environments of an installation; ids are unique. */
export const computeEnvironments = z
  .array(computeEnvironment)
  .min(1)
  .superRefine((list, context) => {
    const seen = new Set<string>();
    list.forEach((environment, index) => {
      if (seen.has(environment.id)) context.addIssue({ code: 'custom', path: [index, 'id'], message: 'is used twice' });
      seen.add(environment.id);
    });
  });

export type ComputeEnvironment = z.output<typeof computeEnvironment>;

/** A `<hash>-` prefix, as older clients remember it, is ignored. @returns undefined for an unknown id */
export const findEnvironment = (list: readonly ComputeEnvironment[], id: string): ComputeEnvironment | undefined =>
  list.find((environment) => environment.id === id) ??
  list.find((environment) => id.endsWith(`-${environment.id}`) && /^0x[0-9a-f]{64}-/.test(id));
