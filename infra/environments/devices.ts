/** GPUs and other devices of an environment: what clients ask for by an id, and what a cluster calls it. */

import { z } from 'zod';

/** Resources that every environment has; amounts in cores and GiB. */
export const basicResourceIds = ['cpu', 'ram', 'disk'] as const;

/** True for cpu, ram and disk. */
export const isBasicResource = (id: string): id is (typeof basicResourceIds)[number] => basicResourceIds.some((basic) => basic === id);

const extendedResource = /^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]*[a-z0-9])?\/[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

const resourceId = z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/, 'is not a name of 1 to 63 letters, digits, dots and dashes');

/** One kind of device. Whole numbers only: a cluster shares no device between pods. */
export const device = z.strictObject({
  /** what clients write into `resources` */
  id: resourceId.refine((id) => !isBasicResource(id), 'is the name of a resource that every environment has'),
  description: z.string().default(''),
  /** the extended resource that a job's pod asks the cluster for */
  resource: z.string().regex(extendedResource, 'is not the name of an extended resource, e.g. nvidia.com/gpu'),
  /** kind, as clients show it */
  type: z.string().min(1).default('gpu'),
  min: z.number().int().nonnegative().default(0),
  max: z.number().int().positive(),
  total: z.number().int().positive(),
});

export type Device = z.output<typeof device>;

/** Tells about a mistake: where it is, and what. */
export type Complain = (path: readonly (string | number)[], message: string) => void;

/** Ids and cluster resources are used once, amounts are in order. */
export const checkDevices = (devices: readonly Device[], complain: Complain): void => {
  devices.forEach(({ id, resource, min, max, total }, index) => {
    const earlier = devices.slice(0, index);
    if (earlier.some((other) => other.id === id)) complain(['devices', index, 'id'], 'is used twice');
    if (earlier.some((other) => other.resource === resource)) complain(['devices', index, 'resource'], 'is used twice');
    if (min > max) complain(['devices', index, 'min'], 'is above max');
    if (max > total) complain(['devices', index, 'max'], 'is above total');
  });
};
