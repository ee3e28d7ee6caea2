/** Containers and volumes of a pod's filters, as plain data for the Docker API. Pure. */

import type { ContainerCreateOptions, MountSettings } from 'dockerode';
import { podName } from '../../workflows/contract/ids.ts';
import type { PodRef } from '../../workflows/contract/job.ts';
import type { PodSpec } from '../../workflows/contract/pod.ts';
import { podParts, type DockerPodSettings } from './dockerSpec.ts';
import { hardening, untrusted, variablesOf, volumeMount } from './dockerWalls.ts';
import { filterDeadlineSeconds, filterEnvironment, filterName, filtersFolder } from './filterSpec.ts';
import { podLabels } from './podLabels.ts';
import { wrapperScript } from './wrapper.ts';

/** What the names of everything begin with that a pod with filters has besides. */
export const filterPrefix = (pod: PodRef): string => `${podName(pod)}-filter`;

const filterShellFolder = '/.c2d-shell';

const filterParts = (pod: PodRef, n: number) =>
  ({ container: `${podName(pod)}-${filterName(n)}`, control: `${podName(pod)}-${filterName(n)}${controlSuffix}` }) as const;

/** The volume with the busybox of all filters: copied out of the agent's image, and read-only for everybody. */
const shellVolume = (pod: PodRef): string => `${filterPrefix(pod)}-shell`;

const controlSuffix = '-control';

/** The container that a volume of a filter belongs to; none for the one with the shell. */
export const containerOfVolume = (volume: string): readonly string[] =>
  volume.endsWith(controlSuffix) ? [volume.slice(0, -controlSuffix.length)] : [];

/** Volumes of the pod's filters: a control folder for each, so that none hears of another's nonce. */
export const filterVolumes = ({ pod, filters }: Pick<PodSpec, 'pod' | 'filters'>): readonly string[] =>
  filters.length === 0 ? [] : [shellVolume(pod), ...filters.map((_filter, n) => filterParts(pod, n).control)];

/**
 * A filter's container: as sealed as the algorithm's, and with its user, so that it can change what that has written.
 * @param user of the algorithm, by number
 */
export const filterContainer = (
  spec: PodSpec,
  n: number,
  { user, settings }: { readonly user: string; readonly settings: DockerPodSettings },
): ContainerCreateOptions & { name: string } => {
  const filter = spec.filters[n];
  if (filter === undefined) throw new RangeError('the pod has no such filter');
  const { container, control } = filterParts(spec.pod, n);
  const { data, outputs } = podParts(spec.pod).volumes;
  const wrapper = wrapperScript({
    seal: 'noNetwork',
    deadlineSeconds: filterDeadlineSeconds(filter),
    fileBytes: spec.resources.diskBytes,
    filter: { endsWithAgent: false },
    busybox: `${filterShellFolder}/busybox`,
  });
  return {
    name: container,
    Image: filter.image,
    Entrypoint: [`${filterShellFolder}/busybox`, 'sh', '-c', wrapper, 'wrapper'],
    Cmd: [...filter.command],
    Env: variablesOf(filterEnvironment(filter)),
    User: user,
    Labels: podLabels(spec, settings.instance),
    NetworkDisabled: true,
    HostConfig: {
      ...hardening(settings),
      ...untrusted({ cpu: filter.cpu, memoryBytes: filter.memoryBytes, tmpBytes: settings.tmpBytes }),
      Mounts: [
        ...(filter.seesInputs ? [volumeMount(data, '/data', { readOnly: true, copy: false })] : []),
        volumeMount(outputs, '/data/outputs', { readOnly: false, copy: false }),
        volumeMount(control, '/.c2d', { readOnly: true, copy: false }),
        volumeMount(shellVolume(spec.pod), filterShellFolder, { readOnly: true, copy: false }),
      ],
    },
  };
};

/** What the agent's image has in these folders is copied into the volumes, with its owner. */
export const filterMountsOfAgent = ({ pod, filters }: PodSpec): readonly MountSettings[] =>
  filters.length === 0
    ? []
    : [
        volumeMount(shellVolume(pod), '/opt/c2d', { readOnly: false, copy: true }),
        ...filters.map((_filter, n) => volumeMount(filterParts(pod, n).control, `${filtersFolder}/${n}`, { readOnly: false, copy: true })),
      ];
