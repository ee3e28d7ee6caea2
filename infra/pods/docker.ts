/** Pods on Docker Engine or Podman: two containers, three volumes, no network for the algorithm; and what filters of its outputs need. */

import type Docker from 'dockerode';
import { podName } from '../../workflows/contract/ids.ts';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { PodRef } from '../../workflows/contract/job.ts';
import type { ListedPod, PodRuntime, PodSpec } from '../../workflows/contract/pod.ts';
import { dockerFailure, hasStatus, isNameConflict, type DockerStep } from './dockerFailure.ts';
import { agentContainer } from './dockerAgentSpec.ts';
import { filterVolumes } from './dockerFilterSpec.ts';
import { createFilters, findFilterParts } from './dockerFilters.ts';
import { ensureImage, type EnsureImageRequest } from './dockerImages.ts';
import { algorithmContainer, podParts, type DockerPodSettings } from './dockerSpec.ts';
import { areOurs, instanceLabel, listedPodOf, podLabels } from './podLabels.ts';
import { withImage } from './imageId.ts';
import { podOutcome, type ContainerState } from './podOutcome.ts';

/** What {@link dockerPods} works with. */
export interface DockerPodsDeps {
  /** a client of the engine; its socket decides which engine */
  readonly docker: Docker;
  readonly settings: DockerPodSettings;
}

/** Pods on one engine. Only objects that carry this instance's label are ever seen, adopted or removed. */
export const dockerPods = ({ docker, settings }: DockerPodsDeps): PodRuntime => ({
  create: (spec, onProgress) => createPod({ docker, settings }, spec, onProgress),

  async observe(pod) {
    const parts = podParts(pod);
    const [agent, algorithm] = await Promise.all([inspectState(docker, parts.agent), inspectState(docker, parts.algorithm)]);
    return withImage(podOutcome(agent, algorithm, Date.now()), algorithm?.imageId);
  },

  async stop(pod, graceSeconds) {
    const container = docker.getContainer(podParts(pod).algorithm);
    // 304: stopped already; 409 and Podman's 500 on a state that cannot be stopped: it does not run
    await container.stop({ t: Math.ceil(graceSeconds) }).catch(async (err: unknown) => {
      if (hasStatus(err, 304, 404)) return;
      const state = await inspectState(docker, podParts(pod).algorithm);
      if (state?.status === 'running') throw dockerFailure(err, 'other');
    });
  },

  remove: (pod) => removePod(docker, pod),
  list: () => listPods({ docker, settings }),
});

const during = async <Result>(step: DockerStep, work: Promise<Result>): Promise<Result> => {
  try {
    return await work;
  } catch (err) {
    throw dockerFailure(err, step);
  }
};

/** The agent starts, and stages, while the algorithm's image is still being pulled. */
const createPod = async ({ docker, settings }: DockerPodsDeps, spec: PodSpec, onProgress: (line: string) => void): Promise<void> => {
  const volumes = [...Object.values(podParts(spec.pod).volumes), ...filterVolumes(spec)];
  await Promise.all(volumes.map((name) => createVolume({ docker, settings }, name, spec)));
  // looked at while containers are being created; none is started before
  const volumesAreOurs = Promise.all(volumes.map((name) => requireOurVolume({ docker, settings }, name, spec)));
  const abandoned = new AbortController();
  const pull = { onProgress, signal: abandoned.signal };
  const agentStarted = (async () => {
    const agent = await createAgent({ docker, settings }, spec, pull);
    await volumesAreOurs;
    await startContainer(docker, agent);
  })();
  const algorithmCreated = (async () => {
    const { image: name, registryCredentials: credentials } = spec;
    const image = await ensureImage({ ...pull, docker, image: name, credentials });
    return createContainer({ docker, settings }, algorithmContainer(spec, image, settings), spec);
  })();
  const filtersCreated = createFilters({
    ...{ docker, settings, spec, pull },
    algorithm: algorithmCreated,
    agent: agentStarted,
    create: (options) => createContainer({ docker, settings }, options, spec),
  });
  try {
    const [algorithm, filters] = await Promise.all([algorithmCreated, filtersCreated, agentStarted, volumesAreOurs]);
    // one after the other: Podman can lock up when containers that share volumes start at once
    for (const container of [algorithm, ...filters]) await startContainer(docker, container);
  } finally {
    // nothing of this call may go on after it: a later removal would miss it
    abandoned.abort();
    await Promise.allSettled([agentStarted, algorithmCreated, filtersCreated, volumesAreOurs]);
  }
};

const createVolume = async ({ docker, settings }: DockerPodsDeps, name: string, spec: PodSpec): Promise<void> => {
  await docker.createVolume({ Name: name, Labels: podLabels(spec, settings.instance) }).catch((err: unknown) => {
    if (!isNameConflict(err)) throw dockerFailure(err, 'create');
  });
};

/** Engines answer a repeated creation with the volume that exists, so its labels are always looked at. */
const requireOurVolume = async ({ docker, settings }: DockerPodsDeps, name: string, spec: PodSpec): Promise<void> => {
  const found = await during('create', docker.getVolume(name).inspect());
  requireOurs(found.Labels, podLabels(spec, settings.instance), name);
};

/** A container of a pod; an adopted one was left by this job's earlier attempt at creation, and may have been started. */
interface MadeContainer {
  readonly id: string;
  readonly isNew: boolean;
}

/** Nearly always its image is there: it is looked for only once the engine says that it is not. */
const createAgent = async (
  deps: DockerPodsDeps,
  spec: PodSpec,
  pull: Pick<EnsureImageRequest, 'onProgress' | 'signal'>,
): Promise<MadeContainer> => {
  const options = agentContainer(spec, deps.settings);
  try {
    return await createContainer(deps, options, spec);
  } catch (err) {
    if (!hasStatus(err, 404)) throw err;
  }
  await ensureImage({ ...pull, docker: deps.docker, image: deps.settings.agentImage });
  return createContainer(deps, options, spec);
};

const createContainer = async (
  { docker, settings }: DockerPodsDeps,
  options: Docker.ContainerCreateOptions & { readonly name: string },
  spec: PodSpec,
): Promise<MadeContainer> => {
  try {
    return { id: (await docker.createContainer(options)).id, isNew: true };
  } catch (err) {
    if (!isNameConflict(err)) throw dockerFailure(err, 'create');
    const found = await during('create', docker.getContainer(options.name).inspect());
    requireOurs(found.Config.Labels, podLabels(spec, settings.instance), options.name);
    return { id: found.Id, isNew: false };
  }
};

const requireOurs = (
  found: Readonly<Record<string, string>> | null | undefined,
  ours: Readonly<Record<string, string>>,
  name: string,
): void => {
  if (!areOurs(found, ours)) throw new JobFailure('PodConflict', `${name} exists already and does not belong to this job`);
};

/** Starts what has never run. A container that has ended is left alone: an algorithm never runs twice in one pod. */
const startContainer = async (docker: Docker, { id, isNew }: MadeContainer): Promise<void> => {
  if (!isNew && ((await inspectState(docker, id))?.startedAtMs ?? 0) > 0) return;
  await docker
    .getContainer(id)
    .start()
    .catch((err: unknown) => {
      if (!hasStatus(err, 304)) throw dockerFailure(err, 'start');
    });
};

const inspectState = async (docker: Docker, name: string): Promise<(ContainerState & { readonly imageId: string }) | undefined> => {
  try {
    const { State, Image } = await docker.getContainer(name).inspect();
    return {
      status: State.Status,
      exitCode: State.ExitCode,
      oomKilled: State.OOMKilled,
      startedAtMs: timeOf(State.StartedAt),
      finishedAtMs: timeOf(State.FinishedAt),
      imageId: Image,
    };
  } catch (err) {
    if (hasStatus(err, 404)) return undefined;
    throw dockerFailure(err, 'other');
  }
};

/** Engines write the year 1 for "never"; Podman also 0001-01-01 in other spellings. */
const timeOf = (text: string): number => {
  const time = Date.parse(text);
  return Number.isNaN(time) || time < 0 ? 0 : time;
};

const removePatienceMs = 20_000;

const removePod = async (docker: Docker, pod: PodRef): Promise<void> => {
  const { agent, algorithm, volumes } = podParts(pod);
  const filters = await during('other', findFilterParts(docker, pod));
  await Promise.all([agent, algorithm].map((name) => removeContainer(docker, name)));
  for (const name of filters.containers) await removeContainer(docker, name);
  await Promise.all([...Object.values(volumes), ...filters.volumes].map((name) => removeVolume(docker, name)));
};

/** Engines answer 409 (or 500) while another removal of the same object is under way. */
const untilGone = async (remove: () => Promise<unknown>): Promise<void> => {
  const giveUpAt = Date.now() + removePatienceMs;
  for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 1_000)) {
    try {
      await remove();
    } catch (err) {
      if (hasStatus(err, 404)) return;
      if (!hasStatus(err, 409, 500) || Date.now() > giveUpAt) throw dockerFailure(err, 'other');
    }
    // a removal that succeeded is asked once more: only "not found" proves that it is gone
    if (pauseMs > 20) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    if (Date.now() > giveUpAt) throw new Error('a container or volume of a pod could not be removed in time');
  }
};

/** Podman grants a container its stop time before a forced removal, unless told; Docker Engine kills and ignores the word. */
const removal = { force: true, v: true, timeout: 0 } as const;

const removeContainer = (docker: Docker, name: string): Promise<void> => untilGone(() => docker.getContainer(name).remove(removal));

const removeVolume = (docker: Docker, name: string): Promise<void> => untilGone(() => docker.getVolume(name).remove({ force: true }));

const listPods = async ({ docker, settings }: DockerPodsDeps): Promise<readonly ListedPod[]> => {
  const filters = { label: [`${instanceLabel}=${settings.instance}`] };
  const [containers, volumes] = await during(
    'other',
    Promise.all([docker.listContainers({ all: true, filters }), docker.listVolumes({ filters })]),
  );
  const seen = [
    ...containers.map(({ Labels, Created }) => ({ labels: Labels, createdAtMs: Created * 1_000 })),
    ...(volumes.Volumes ?? []).map((volume) => ({ labels: volume.Labels ?? {}, createdAtMs: createdAtOf(volume) })),
  ];
  const pods = new Map<string, ListedPod>();
  for (const { labels, createdAtMs } of seen) {
    const listed = listedPodOf(labels, createdAtMs);
    if (listed === undefined) continue;
    const name = podName(listed.pod);
    const earlier = pods.get(name);
    if (earlier === undefined || listed.createdAtMs < earlier.createdAtMs) pods.set(name, listed);
  }
  return [...pods.values()];
};

const createdAtOf = (volume: object): number => timeOf((volume as { readonly CreatedAt?: string }).CreatedAt ?? '');
