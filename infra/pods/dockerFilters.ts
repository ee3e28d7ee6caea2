/** The filters of a pod on Docker Engine or Podman: made beside its two containers, and found again by their names. */

import type Docker from 'dockerode';
import { text } from 'node:stream/consumers';
import { extract } from 'tar-stream';
import { jobLabel } from '../../workflows/contract/ids.ts';
import type { PodRef } from '../../workflows/contract/job.ts';
import type { PodFilter, PodSpec } from '../../workflows/contract/pod.ts';
import { hasStatus } from './dockerFailure.ts';
import { ensureImage, type EnsureImageRequest } from './dockerImages.ts';
import { containerOfVolume, filterContainer, filterPrefix } from './dockerFilterSpec.ts';
import type { DockerPodSettings } from './dockerSpec.ts';
import { filterFailure } from './filterSpec.ts';

/** What {@link createFilters} needs. */
export interface FilterCreation<Made> {
  readonly docker: Docker;
  readonly settings: DockerPodSettings;
  readonly spec: PodSpec;
  readonly pull: Pick<EnsureImageRequest, 'onProgress' | 'signal'>;
  /** the algorithm's container, once it is there */
  readonly algorithm: Promise<{ readonly id: string }>;
  /** resolves when the agent runs */
  readonly agent: Promise<void>;
  readonly create: (options: ReturnType<typeof filterContainer>) => Promise<Made>;
}

/** @throws JobFailure FilterFailed when the image of a filter cannot be had */
export const createFilters = async <Made>({
  docker,
  settings,
  spec,
  pull,
  algorithm,
  agent,
  create,
}: FilterCreation<Made>): Promise<readonly Made[]> => {
  if (spec.filters.length === 0) return [];
  const user = algorithm.then(({ id }) => userOf(docker, id));
  // the first failure of a creation is its result
  user.catch(() => undefined);
  await Promise.all(spec.filters.map((filter) => pullFilter(filter, { ...pull, docker })));
  await agent;
  const made: Made[] = [];
  // one after the other: they share volumes, which Podman can lock up over
  for (const n of spec.filters.keys()) made.push(await create(filterContainer(spec, n, { user: await user, settings })));
  return made;
};

const pullFilter = async (filter: PodFilter, pull: Omit<EnsureImageRequest, 'image'>): Promise<void> => {
  try {
    await ensureImage({ ...pull, image: filter.image });
  } catch (err) {
    throw filterFailure(err, filter, 'pull');
  }
};

/** The user of a container by its number: another image need not know its name. */
const userOf = async (docker: Docker, id: string): Promise<string> => {
  const container = docker.getContainer(id);
  const { Config } = await container.inspect();
  const [name = ''] = Config.User.split(':');
  if (/^\d+$/.test(name)) return Config.User.match(/^\d+(:\d+)?/)?.[0] ?? name;
  const entry = (await readFile(container, '/etc/passwd')).split('\n').find((line) => line.startsWith(`${name}:`));
  const [, , uid = '', gid = ''] = entry?.split(':') ?? [];
  // an algorithm whose user is unknown does not start, whoever its filter is
  return /^\d+$/.test(uid) && /^\d+$/.test(gid) ? `${uid}:${gid}` : unknownUser;
};

const unknownUser = '1000:1000';

/** @returns an empty text for a file that is not in the image */
const readFile = async (container: Docker.Container, path: string): Promise<string> => {
  try {
    const archive = (await container.getArchive({ path })).pipe(extract());
    for await (const entry of archive) return await text(entry);
    return '';
  } catch (err) {
    if (hasStatus(err, 404)) return '';
    throw err;
  }
};

/**
 * What there is of a pod's filters, whatever the pod was meant to have: volumes are there before their containers, and
 * go after them.
 */
export const findFilterParts = async (
  docker: Docker,
  pod: PodRef,
): Promise<{ readonly containers: readonly string[]; readonly volumes: readonly string[] }> => {
  const found = await docker.listVolumes({ filters: { label: [`${jobLabel}=${pod.jobId}`] } });
  const volumes = (found.Volumes ?? []).map(({ Name }) => Name).filter((name) => name.startsWith(`${filterPrefix(pod)}-`));
  return { containers: volumes.flatMap(containerOfVolume), volumes };
};
