/** Where and as what a cluster runs the pods of an environment. */

import { z } from 'zod';
import type { PodPlacement, PodToleration } from '../../workflows/contract/pod.ts';
import type { Complain } from './devices.ts';

const gibibyte = 1024 ** 3;

const labelName = /^(([a-z0-9]([a-z0-9-]*[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const objectName = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

const labels = z
  .record(
    z.string().regex(labelName, 'is not the name of a label'),
    z.string().regex(/^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/, 'is not the value of a label'),
  )
  .default({});

const nameOf = (what: string) => z.string().regex(objectName, `is not the name of a ${what}`);

const toleration = z
  .strictObject({
    key: z.string().regex(labelName, 'is not the name of a taint').optional(),
    operator: z.enum(['Exists', 'Equal']).optional(),
    value: z.string().optional(),
    effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional(),
    tolerationSeconds: z.number().int().nonnegative().optional(),
  })
  .superRefine(({ key, operator, value, effect, tolerationSeconds }, context) => {
    const complain = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
    if (key === undefined && operator !== 'Exists') complain('key', 'is needed unless operator is Exists');
    if (operator === 'Exists' && value !== undefined) complain('value', 'has no meaning with operator Exists');
    if (tolerationSeconds !== undefined && effect !== 'NoExecute')
      complain('tolerationSeconds', 'has a meaning with effect NoExecute only');
  });

/** `kubernetes` of an environment; other runtimes ignore it. */
export const clusterPlacement = z.strictObject({
  nodeSelector: labels,
  tolerations: z.array(toleration).default([]),
  /** for example of gVisor or Kata Containers */
  runtimeClassName: nameOf('RuntimeClass').optional(),
  priorityClassName: nameOf('PriorityClass').optional(),
  /** on every pod of the environment, beside the platform's own */
  labels,
  /** GiB: jobs with more disk get a volume of `storageClassName` instead of a share of the node's disk */
  volumeFrom: z.number().positive().optional(),
  storageClassName: nameOf('StorageClass').optional(),
});

export type ClusterPlacement = z.output<typeof clusterPlacement>;

/** The platform chooses pods and policies by its own labels: no environment may set those. */
export const checkPlacement = ({ labels: own, volumeFrom, storageClassName }: ClusterPlacement, complain: Complain): void => {
  for (const name of Object.keys(own))
    if (/^c2d[./]|^app\.kubernetes\.io\/|(^|\.)(kubernetes|k8s)\.io\//.test(name))
      complain(['kubernetes', 'labels', name], 'is reserved for the platform');
  if (storageClassName !== undefined && volumeFrom === undefined)
    complain(['kubernetes', 'storageClassName'], 'needs volumeFrom: the disk in GiB from which on jobs get a volume');
};

type Toleration = ClusterPlacement['tolerations'][number];

const toToleration = ({ key, operator, value, effect, tolerationSeconds }: Toleration): PodToleration => ({
  ...(key !== undefined && { key }),
  ...(operator !== undefined && { operator }),
  ...(value !== undefined && { value }),
  ...(effect !== undefined && { effect }),
  ...(tolerationSeconds !== undefined && { tolerationSeconds }),
});

/** In the terms of the pods' contract. */
export const placementOf = (placement: ClusterPlacement): PodPlacement => ({
  nodeSelector: placement.nodeSelector,
  tolerations: placement.tolerations.map(toToleration),
  runtimeClassName: placement.runtimeClassName ?? null,
  priorityClassName: placement.priorityClassName ?? null,
  labels: placement.labels,
  volumeFromBytes: placement.volumeFrom === undefined ? null : Math.round(placement.volumeFrom * gibibyte),
  storageClassName: placement.storageClassName ?? null,
});
