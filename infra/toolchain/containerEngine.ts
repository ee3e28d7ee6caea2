/** The container engine: a Docker that answers, else Podman behind the same API. */

import { existsSync } from 'node:fs';
import path from 'node:path';
import Docker from 'dockerode';
import { ensurePodman, findPodman, startPodman } from './podman.ts';
import { MissingPart, messageOf, type FoundPart, type Report } from './parts.ts';

const pingPatienceMs = 2_000;
const dockerSocket = '/var/run/docker.sock';
const namedRemedy = 'name the unix socket of a running engine of this machine, or unset DOCKER_HOST';

/** An engine that answers, with a client for it. */
export interface ContainerEngine {
  readonly kind: 'docker' | 'podman';
  readonly version: string;
  readonly docker: Docker;
  /** where other processes reach it */
  readonly socketPath: string;
  /** the engine's own folder on this machine; undefined for an engine that is not ours */
  readonly storageFolder: string | undefined;
  /** path of a seccomp profile for pods; undefined: the engine's default, which suffices on Docker Engine */
  readonly seccompProfile: string | undefined;
  /** Ends what we started; an engine of the machine stays. */
  close(): Promise<void>;
}

/**
 * The engine without starting anything: Docker if it answers (`DOCKER_HOST`, else the usual socket), else Podman.
 * @throws MissingPart if `DOCKER_HOST` is set and does not answer
 */
export const findContainerEngine = async (): Promise<FoundPart | undefined> => {
  const engine = await findDocker();
  if (engine === undefined) return findPodman();
  return { name: 'docker', version: engine.version, path: engine.socketPath, origin: process.env.DOCKER_HOST ? 'environment' : 'path' };
};

/**
 * An engine ready for use. With Docker, `close` does nothing; a Podman service is started for the caller alone.
 * @param folder for the service's socket and log
 */
export const startContainerEngine = async ({
  folder,
  report,
}: {
  readonly folder: string;
  readonly report?: Report;
}): Promise<ContainerEngine> => {
  const docker = await findDocker();
  if (docker !== undefined) return docker;
  const podman = await ensurePodman(report);
  const service = await startPodman(podman, folder);
  return {
    kind: 'podman',
    version: podman.version,
    docker: service.docker,
    socketPath: service.socketPath,
    storageFolder: service.storageFolder,
    seccompProfile: service.seccompProfile,
    close: () => service.close(),
  };
};

const findDocker = async (): Promise<ContainerEngine | undefined> => {
  const named = process.env.DOCKER_HOST;
  const isNamed = named !== undefined && named !== '';
  const socketPath = isNamed ? named.replace(/^unix:\/\//, '') : dockerSocket;
  if (!path.isAbsolute(socketPath)) throw new MissingPart('container engine', 'DOCKER_HOST is not a unix socket', namedRemedy);
  if (!isNamed && !existsSync(socketPath)) return undefined;
  const docker = new Docker({ socketPath });
  try {
    const version = await withPatience(docker.version());
    const notOurs = { storageFolder: undefined, seccompProfile: undefined, close: async () => undefined };
    return { kind: 'docker', version: version.Version, docker, socketPath, ...notOurs };
  } catch (err) {
    // a socket left behind by an engine that is not running is as good as none
    if (!isNamed) return undefined;
    throw new MissingPart('container engine', `DOCKER_HOST does not answer: ${messageOf(err)}`, namedRemedy);
  }
};

const withPatience = async <Result>(answer: Promise<Result>): Promise<Result> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${pingPatienceMs} ms`)), pingPatienceMs);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
};
