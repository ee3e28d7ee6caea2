/** Removes what an installation left on the container engine. */

import type Docker from 'dockerode';
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

interface EngineObjects {
  readonly containers: readonly { readonly id: string; readonly name: string }[];
  readonly volumes: readonly string[];
}

const findObjects = async (docker: Docker, instance: string): Promise<EngineObjects> => {
  const filters = { label: [`${instanceLabel}=${instance}`] };
  const [containers, volumes] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listVolumes({ filters: JSON.stringify(filters) as never }),
  ]);
  return {
    containers: containers.map(({ Id, Names }) => ({ id: Id, name: (Names[0] ?? Id).replace(/^\//, '') })),
    // Podman answers null for none
    volumes: ((volumes.Volumes as typeof volumes.Volumes | null) ?? []).map(({ Name }) => Name),
  };
};

const unlessGone = async (removal: Promise<unknown>): Promise<void> => {
  await removal.catch((err: unknown) => {
    if ((err as { statusCode?: number }).statusCode !== 404) throw err;
  });
};
