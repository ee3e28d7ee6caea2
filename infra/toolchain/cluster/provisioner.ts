/** Volumes of a test cluster: each is a folder on the node's disk. A fixture: sizes are promised and not enforced. */

import { chmod, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { CoreV1Api, type KubeConfig, type V1PersistentVolume, type V1PersistentVolumeClaim } from '@kubernetes/client-node';
import { messageOf, type Report } from '../parts.ts';
import { provisionerName, storageClassName } from './addons.ts';
import { nodeName } from './credentials.ts';
import { watchKind, type LiveList } from './policies/watch.ts';
import { removeTree } from './removeTree.ts';

/** Provides volumes until it is closed. */
export interface Provisioner {
  close(): Promise<void>;
}

const mountedAt = '/var/lib/volumes';

/** @param folder where the node's `/var/lib/volumes` lies on this machine */
export const startProvisioner = async (config: KubeConfig, folder: string, report: Report): Promise<Provisioner> => {
  const core = config.makeApiClient(CoreV1Api);
  const live: { claims?: LiveList<V1PersistentVolumeClaim>; volumes?: LiveList<V1PersistentVolume> } = {};
  const work = createWork(async () => {
    const [claims, volumes] = [live.claims?.list() ?? [], live.volumes?.list() ?? []];
    for (const claim of claims) if (isWaiting(claim, volumes)) await provide(core, folder, claim);
    for (const volume of volumes) if (isOver(volume)) await discard(core, folder, volume);
  }, report);
  live.volumes = await watchKind<V1PersistentVolume>(
    { config, path: '/api/v1/persistentvolumes', list: () => core.listPersistentVolume() },
    work,
  );
  live.claims = await watchKind<V1PersistentVolumeClaim>(
    { config, path: '/api/v1/persistentvolumeclaims', list: () => core.listPersistentVolumeClaimForAllNamespaces() },
    work,
  );
  return {
    close: async () => {
      live.claims?.close();
      live.volumes?.close();
    },
  };
};

const volumeName = ({ metadata }: V1PersistentVolumeClaim): string => `volume-${metadata?.uid ?? ''}`;

const isWaiting = (claim: V1PersistentVolumeClaim, volumes: readonly V1PersistentVolume[]): boolean =>
  claim.spec?.storageClassName === storageClassName &&
  claim.spec.volumeName === undefined &&
  claim.metadata?.deletionTimestamp === undefined &&
  !volumes.some(({ metadata }) => metadata?.name === volumeName(claim));

const isOver = ({ spec, status, metadata }: V1PersistentVolume): boolean =>
  spec?.storageClassName === storageClassName && status?.phase === 'Released' && metadata?.deletionTimestamp === undefined;

const provide = async (core: CoreV1Api, folder: string, claim: V1PersistentVolumeClaim): Promise<void> => {
  const name = volumeName(claim);
  const onDisk = path.join(folder, name);
  await mkdir(onDisk, { recursive: true });
  // like an emptyDir: whoever the pod's containers are, they can write
  await chmod(onDisk, 0o777);
  const { namespace, name: claimName, uid } = claim.metadata ?? {};
  const isOnNode = { key: 'kubernetes.io/hostname', operator: 'In', values: [nodeName] };
  const body: V1PersistentVolume = {
    metadata: { name, annotations: { 'pv.kubernetes.io/provisioned-by': provisionerName } },
    spec: {
      capacity: { storage: claim.spec?.resources?.requests?.storage ?? '1Gi' },
      accessModes: claim.spec?.accessModes ?? ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Delete',
      storageClassName,
      local: { path: path.join(mountedAt, name) },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [isOnNode] }] } },
      claimRef: {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        ...Object.fromEntries(Object.entries({ namespace, name: claimName, uid })),
      },
    },
  };
  await core.createPersistentVolume({ body }).catch(ignoreStatus(409));
};

const discard = async (core: CoreV1Api, folder: string, { metadata }: V1PersistentVolume): Promise<void> => {
  const name = metadata?.name ?? '';
  await removeTree(path.join(folder, name));
  await core.deletePersistentVolume({ name }).catch(ignoreStatus(404));
};

const ignoreStatus =
  (status: number) =>
  (err: unknown): void => {
    if ((err as { code?: number }).code !== status) throw err;
  };

/** One pass after the other; a change during a pass is a reason for one more, a failure for one a second later. */
const createWork = (pass: () => Promise<void>, report: Report): (() => void) => {
  let isBusy = false;
  let isAsked = false;
  const ask = (): void => {
    isAsked = true;
    if (isBusy) return;
    isBusy = true;
    void run().finally(() => {
      isBusy = false;
    });
  };
  const run = async (): Promise<void> => {
    while (isAsked) {
      isAsked = false;
      await pass().catch((err: unknown) => {
        report(`a volume could not be provided: ${messageOf(err)}`);
        setTimeout(ask, 1_000).unref();
      });
    }
  };
  return ask;
};
