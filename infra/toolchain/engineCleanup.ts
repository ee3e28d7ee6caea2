/** Removes what an installation left on the container engine. */

import type Docker from 'dockerode';
import { isAbandoned } from './instanceName.ts';
import { instanceLabel } from '../pods/dockerSpec.ts';

/** Names of all containers and volumes of an installation; empty when nothing is left. */
export const listObjects = async (docker: Docker, instance: string): Promise<readonly string[]> => {
  const { containers, volumes } = await findObjects(docker, instance);
  return [...containers.map(({ name }) => `container ${name}`), ...volumes.map((name) => `volume ${name}`)];
};

/** Removes them by force. Tolerates what vanishes meanwhile. */
export const removeObjects = async (docker: Docker, instance: string): Promise<void> => {
  const { containers, volumes } = await findObjects(docker, instance);
  await Promise.all(containers.map(({ id }) => unlessGone(docker.getContainer(id).remove({ force: true, v: true }))));
  await Promise.all(volumes.map((name) => unlessGone(docker.getVolume(name).remove({ force: true }))));
};

/** Removes what stacks left whose process was killed. @returns their names */
export const removeAbandoned = async (docker: Docker): Promise<readonly string[]> => {
  const filters = { label: [instanceLabel] };
  const [containers, volumes] = await Promise.all([docker.listContainers({ all: true, filters }), docker.listVolumes({ filters })]);
  const labels = [...containers.map(({ Labels }) => Labels), ...volumesOf(volumes).map(({ Labels }) => Labels)];
  const instances = labels.map((each) => (each as typeof each | null)?.[instanceLabel]).filter((name) => name !== undefined);
  const abandoned = [...new Set(instances)].filter(isAbandoned);
  for (const instance of abandoned) await removeObjects(docker, instance);
  return abandoned;
};

interface EngineObjects {
  readonly containers: readonly { readonly id: string; readonly name: string }[];
  readonly volumes: readonly string[];
}

const findObjects = async (docker: Docker, instance: string): Promise<EngineObjects> => {
  const filters = { label: [`${instanceLabel}=${instance}`] };
  const [containers, volumes] = await Promise.all([docker.listContainers({ all: true, filters }), docker.listVolumes({ filters })]);
  return {
    containers: containers.map(({ Id, Names }) => ({ id: Id, name: (Names[0] ?? Id).replace(/^\//, '') })),
    volumes: volumesOf(volumes).map(({ Name }) => Name),
  };
};

/** Podman answers null for none. */
const volumesOf = ({ Volumes }: Awaited<ReturnType<Docker['listVolumes']>>) => (Volumes as typeof Volumes | null) ?? [];

const unlessGone = async (removal: Promise<unknown>): Promise<void> => {
  await removal.catch((err: unknown) => {
    if ((err as { statusCode?: number }).statusCode !== 404) throw err;
  });
};
