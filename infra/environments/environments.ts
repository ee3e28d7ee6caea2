/** Compute environments: what an operator offers, from configuration. */

import { z } from 'zod';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { Resources } from '../../workflows/contract/spec.ts';
import { assetOffer } from './assetOffer.ts';
import { basicResourceIds, checkDevices, device, isBasicResource, type Complain } from './devices.ts';
import { checkFees, fee } from './fees.ts';
import { outputFilter, ownerFilterOffer } from './outputFilter.ts';
import { outputPolicy } from './outputPolicy.ts';
import { checkPlacement, clusterPlacement } from './placement.ts';

const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'is not an address');

const access = z
  .strictObject({
    /** consumers who may use it; compare lower-case */
    addresses: z.array(address).default([]),
    /** `{ "<chainId>": [access list contract, …] }` */
    accessLists: z.array(z.record(z.string(), z.array(address))).default([]),
  })
  .prefault({});

/** A week. */
export const usualStorageSeconds = 604_800;

const size = z.strictObject({ min: z.number().positive(), max: z.number().positive(), total: z.number().positive() });

const freeOffer = z.strictObject({
  access,
  maxJobDuration: z.number().int().positive().default(600),
  maxJobs: z.number().int().positive().default(4),
  /** the most that a free job gets of a resource: cpu, ram and disk as paid ones unless named here, devices only if named here */
  resources: z.record(z.string(), z.number().positive()).default({}),
});

const environmentFields = z.strictObject({
  /** a stable name: no price and no hash in it */
  id: z
    .string()
    .regex(
      /^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$/,
      'is not a name of 1 to 63 letters, digits, dots and dashes that begins and ends with a letter or digit',
    ),
  description: z.string().default(''),
  /** chains whose orders are taken; empty takes every configured chain */
  chainIds: z.array(z.number().int().positive()).default([]),
  platform: z.strictObject({ architecture: z.string(), os: z.string() }).prefault({ architecture: 'x86_64', os: 'linux' }),
  resources: z.strictObject({ cpu: size, ram: size, disk: size }).prefault({
    cpu: { min: 0.1, max: 1, total: 2 },
    ram: { min: 0.0625, max: 1, total: 4 },
    disk: { min: 0.0625, max: 1, total: 10 },
  }),
  /** GPUs and the like; only a cluster has them */
  devices: z.array(device).default([]),
  /** prices; without any, paid jobs cost nothing beyond their orders */
  fees: z.array(fee).default([]),
  /** where and as what a cluster runs the pods */
  kubernetes: clusterPlacement.prefault({}),
  access,
  /** present: free jobs are offered */
  free: freeOffer.optional(),
  maxJobs: z.number().int().positive().default(8),
  minJobDuration: z.number().int().nonnegative().default(1),
  maxJobDuration: z.number().int().positive().default(3_600),
  /** longest wait for a place, seconds; a request may ask for less */
  maxQueueTime: z.number().int().nonnegative().default(600),
  /** name of the store that takes the results; a job keeps the one that it was accepted with */
  storage: z.string().default('default'),
  /** how long results are kept after a job's end, seconds */
  storageExpiry: z.number().int().positive().default(usualStorageSeconds),
  /** how long the owner of a job may have them kept, seconds after its end; absent: no longer than `storageExpiry` */
  maxStorageExpiry: z.number().int().positive().optional(),
  /** what may leave its jobs, whatever they compute on */
  outputPolicy: outputPolicy.optional(),
  /** sees the outputs of its jobs before they leave, and says whether they may */
  filter: outputFilter.optional(),
  /** present: filters that publishers of datasets declare run here; absent: such datasets are refused */
  ownerFilters: ownerFilterOffer.optional(),
  /** present: outputs of jobs can become assets of the Ocean network */
  assets: assetOffer.optional(),
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
      publishSeconds: z.number().int().positive().default(7_200),
      graceSeconds: z.number().int().positive().default(10),
      transferPatienceSeconds: z.number().int().positive().default(60),
      podAttempts: z.number().int().positive().max(10).default(3),
    })
    .prefault({}),
});

type Fields = z.output<typeof environmentFields>;

/** The longest that results may be kept after a job's end, in seconds. */
export const longestStorageOf = ({ storageExpiry, maxStorageExpiry }: Pick<Fields, 'storageExpiry' | 'maxStorageExpiry'>): number =>
  maxStorageExpiry ?? storageExpiry;

const checkSizes = ({ resources, minJobDuration, maxJobDuration, ...environment }: Fields, complain: Complain): void => {
  for (const id of basicResourceIds) {
    const { min, max, total } = resources[id];
    if (min > max) complain(['resources', id, 'min'], 'is above max');
    if (max > total) complain(['resources', id, 'max'], 'is above total');
  }
  if (minJobDuration > maxJobDuration) complain(['minJobDuration'], 'is above maxJobDuration');
  if (longestStorageOf(environment) < environment.storageExpiry) complain(['maxStorageExpiry'], 'is below storageExpiry');
};

const checkFree = ({ free, ...environment }: Fields, complain: Complain): void => {
  if (free === undefined) return;
  if (free.maxJobDuration > environment.maxJobDuration)
    complain(['free', 'maxJobDuration'], `is above maxJobDuration: ${free.maxJobDuration}, ${environment.maxJobDuration}`);
  for (const [id, most] of Object.entries(free.resources)) {
    const path = ['free', 'resources', id];
    const offered = isBasicResource(id) ? environment.resources[id] : environment.devices.find((one) => one.id === id);
    if (offered === undefined) complain(path, `is no resource of this environment: it has ${resourceIdsOf(environment).join(', ')}`);
    else if (most > offered.max) complain(path, `is above the max of paid jobs: ${offered.max}`);
    else if (most < offered.min) complain(path, `is below min: ${offered.min}`);
    else if (!isBasicResource(id) && !Number.isInteger(most)) complain(path, 'is not a whole number');
  }
};

/** Ids of everything that clients may ask the environment for. */
export const resourceIdsOf = ({ devices }: Pick<Fields, 'devices'>): readonly string[] => [
  ...basicResourceIds,
  ...devices.map(({ id }) => id),
];

/** One environment. Amounts: cpu in cores, ram and disk in GiB, devices in units. Durations in seconds. */
export const computeEnvironment = environmentFields.superRefine((environment, context) => {
  const complain: Complain = (path, message) => context.addIssue({ code: 'custom', path: [...path], message });
  checkSizes(environment, complain);
  checkDevices(environment.devices, complain);
  checkFees({ ...environment, resourceIds: resourceIdsOf(environment) }, complain);
  checkPlacement(environment.kubernetes, complain);
  checkFree(environment, complain);
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

/** One resource of an environment, as jobs of one kind may ask for it. */
export interface OfferedResource {
  readonly id: string;
  readonly type: string;
  readonly description: string;
  readonly min: number;
  readonly max: number;
  readonly total: number;
}

/** What a paid or a free job may ask for: cpu, ram and disk, then devices. Free jobs see only what they may have. */
export const resourcesOf = ({ resources, devices, free }: ComputeEnvironment, isFree: boolean): readonly OfferedResource[] => {
  const most = isFree ? (free?.resources ?? {}) : null;
  return [
    ...basicResourceIds.map((id) => ({ ...resources[id], id, type: id, description: '', max: most?.[id] ?? resources[id].max })),
    ...devices.flatMap(({ resource: _resource, ...offered }) => {
      const max = most === null ? offered.max : most[offered.id];
      return max === undefined ? [] : [{ ...offered, max }];
    }),
  ];
};

/**
 * The devices of a job by the cluster's names.
 * @throws JobFailure `RequestInvalid` for a device that the environment had when the job was accepted, and has no more
 */
export const clusterDevicesOf = ({ id: environmentId, devices }: ComputeEnvironment, resources: Resources): Record<string, number> =>
  Object.fromEntries(
    Object.entries(resources)
      .filter(([id, amount]) => !isBasicResource(id) && amount > 0)
      .map(([id, amount]) => {
        const offered = devices.find((one) => one.id === id);
        if (offered === undefined) throw new JobFailure('RequestInvalid', `environment ${environmentId} no longer offers ${id}`);
        return [offered.resource, amount];
      }),
  );

/** A `<hash>-` prefix, as older clients remember it, is ignored. @returns undefined for an unknown id */
export const findEnvironment = (list: readonly ComputeEnvironment[], id: string): ComputeEnvironment | undefined =>
  list.find((environment) => environment.id === id) ??
  list.find((environment) => id.endsWith(`-${environment.id}`) && /^0x[0-9a-f]{64}-/.test(id));

/** How long results of jobs in each environment are kept; those of an environment that is no longer offered, as long as usual. */
export const storageSecondsIn =
  (list: readonly ComputeEnvironment[]) =>
  (environmentId: string): number =>
    findEnvironment(list, environmentId)?.storageExpiry ?? usualStorageSeconds;

export { isBasicResource } from './devices.ts';
export { isPriced } from './fees.ts';
