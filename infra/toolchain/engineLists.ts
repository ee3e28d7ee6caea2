/** What a job or an installation has on the container engine, listed while others come and go. */

import { setTimeout as delay } from 'node:timers/promises';
import type Docker from 'dockerode';

/** Containers and volumes as the engine lists them. */
export interface EngineList {
  readonly containers: Awaited<ReturnType<Docker['listContainers']>>;
  readonly volumes: Awaited<ReturnType<Docker['listVolumes']>>['Volumes'];
}

const attempts = 20;
/** after so many lists a container is not going, but stuck */
const patientAttempts = 10;
const pauseMs = 50;

/** True for the error of a container that is gone already; Podman says so with 500 when it goes during the call. */
export const isGone = (err: unknown): boolean => {
  const { statusCode, message = '' } = err as { statusCode?: number; message?: string };
  return statusCode === 404 || (statusCode === 500 && /container not known|no such (container|volume)/i.test(message));
};

/** The container that a list stumbles over. */
const findVanishing = (err: unknown): string | undefined => /"([0-9a-f]{64})": container not known/.exec((err as Error).message)?.[1];

/** An engine that was killed in the middle of a removal lists nothing of that label until the removal is done. */
const finishRemoval = async (docker: Docker, id: string): Promise<void> => {
  await docker
    .getContainer(id)
    .remove({ force: true, v: true })
    .catch((err: unknown) => {
      if (!isGone(err)) throw err;
    });
};

/**
 * Containers, running or not, and volumes that carry a label: `name` or `name=value`.
 * @throws Error of the engine, unless it is about a container with this label that goes just then, or was going when
 *   its engine was killed: the next list is without it
 */
export const listLabelled = async (docker: Docker, label: string): Promise<EngineList> => {
  const filters = { label: [label] };
  for (let attempt = 1; ; attempt += 1) {
    try {
      const [containers, { Volumes }] = await Promise.all([docker.listContainers({ all: true, filters }), docker.listVolumes({ filters })]);
      // Podman answers null for no volumes
      const volumes: EngineList['volumes'] | null = Volumes;
      return { containers, volumes: volumes ?? [] };
    } catch (err) {
      const vanishing = findVanishing(err);
      if (!isGone(err) || attempt === attempts) throw err;
      if (vanishing !== undefined && attempt % patientAttempts === 0) await finishRemoval(docker, vanishing);
      await delay(pauseMs);
    }
  }
};
