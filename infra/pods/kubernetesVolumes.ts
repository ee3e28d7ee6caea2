/** The volumes of a pod on Kubernetes, and who mounts what. They die with the pod: that is the deletion of the data. Pure. */

import type { V1PodSpec, V1Volume, V1VolumeMount } from '@kubernetes/client-node';
import type { PodSpec } from '../../workflows/contract/pod.ts';
import { filterName, filtersFolder } from './filterSpec.ts';
import { agentUid } from './wrapper.ts';

interface Volumes {
  readonly pod: Pick<V1PodSpec, 'volumes' | 'securityContext'>;
  readonly agent: V1VolumeMount[];
  readonly algorithm: V1VolumeMount[];
  /** in their order */
  readonly filters: readonly V1VolumeMount[][];
}

/** Whether the pod's disk is more than its node should give. */
export const isClaimed = ({ resources, placement }: Pick<PodSpec, 'resources' | 'placement'>): boolean =>
  placement.volumeFromBytes !== null && resources.diskBytes >= placement.volumeFromBytes;

const controlBytes = 16 * 1024 ** 2;

/**
 * Disk of the node for small jobs, volumes of a storage class from `placement.volumeFromBytes` on. Folders on the node
 * are open to everybody; a fresh volume belongs to root, so its group becomes the agent's, which all containers then have.
 * Each filter has a part of one control volume, in which it sees nothing of the others, and a `/tmp` of its own.
 */
export const volumesOf = (spec: PodSpec, { tmpBytes }: { readonly tmpBytes: number }): Volumes => {
  const { diskBytes } = spec.resources;
  const { filters } = spec;
  const disk = (name: string): V1Volume =>
    isClaimed(spec) ? claim(name, diskBytes, spec.placement.storageClassName) : { name, emptyDir: { sizeLimit: String(diskBytes) } };
  return {
    pod: {
      volumes: [
        disk('data'),
        disk('outputs'),
        { name: 'control', emptyDir: { sizeLimit: String(controlBytes) } },
        memory('tmp', tmpBytes),
        ...(filters.length > 0 ? [{ name: 'filters', emptyDir: { sizeLimit: String(controlBytes * filters.length) } }] : []),
        ...filters.map((_filter, n) => memory(`tmp-${filterName(n)}`, tmpBytes)),
      ],
      securityContext: isClaimed(spec) ? { fsGroup: agentUid, fsGroupChangePolicy: 'OnRootMismatch' } : {},
    },
    agent: [
      { name: 'data', mountPath: '/data' },
      { name: 'outputs', mountPath: '/data/outputs' },
      { name: 'control', mountPath: '/.c2d' },
      ...(filters.length > 0 ? [{ name: 'filters', mountPath: filtersFolder }] : []),
    ],
    algorithm: [
      { name: 'data', mountPath: '/data', readOnly: true },
      { name: 'outputs', mountPath: '/data/outputs' },
      { name: 'control', mountPath: '/.c2d', readOnly: true },
      { name: 'tmp', mountPath: '/tmp' },
    ],
    filters: filters.map(({ seesInputs }, n) => [
      ...(seesInputs ? [{ name: 'data', mountPath: '/data', readOnly: true }] : []),
      { name: 'outputs', mountPath: '/data/outputs' },
      { name: 'filters', mountPath: '/.c2d', subPath: String(n), readOnly: true },
      { name: `tmp-${filterName(n)}`, mountPath: '/tmp' },
    ]),
  };
};

const memory = (name: string, bytes: number): V1Volume => ({ name, emptyDir: { medium: 'Memory', sizeLimit: String(bytes) } });

/** The cluster makes the claim with the pod and removes it with the pod; this service needs no right to claims. */
const claim = (name: string, bytes: number, storageClassName: string | null): V1Volume => ({
  name,
  ephemeral: {
    volumeClaimTemplate: {
      spec: {
        accessModes: ['ReadWriteOnce'],
        resources: { requests: { storage: String(bytes) } },
        ...(storageClassName !== null && { storageClassName }),
      },
    },
  },
});
