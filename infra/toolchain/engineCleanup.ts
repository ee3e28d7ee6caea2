/** Removes what an installation left on the container engine. */

import type Docker from 'dockerode';
import { isGone, listLabelled } from './engineLists.ts';
import { isAbandoned } from './instanceName.ts';
import { instanceLabel } from '../pods/podLabels.ts';

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
  const { containers, volumes } = await listLabelled(docker, instanceLabel);
  const labels = [...containers.map(({ Labels }) => Labels), ...volumes.map(({ Labels }) => Labels)];
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
  const { containers, volumes } = await listLabelled(docker, `${instanceLabel}=${instance}`);
  return {
    containers: containers.map(({ Id, Names }) => ({ id: Id, name: (Names[0] ?? Id).replace(/^\//, '') })),
    volumes: volumes.map(({ Name }) => Name),
  };
};

const unlessGone = async (removal: Promise<unknown>): Promise<void> => {
  await removal.catch((err: unknown) => {
    if (!isGone(err)) throw err;
  });
};
