/** A pod's parts and its algorithm's container, as plain data for the Docker API. Pure. */

import type { ContainerCreateOptions } from 'dockerode';
import { podName } from '../../workflows/contract/ids.ts';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { PodRef } from '../../workflows/contract/job.ts';
import type { PodSpec } from '../../workflows/contract/pod.ts';
import { hardening, untrusted, variablesOf, volumeMount } from './dockerWalls.ts';
import { podLabels } from './podLabels.ts';
import { wrapperScript } from './wrapper.ts';

/** How agents reach the gateway: a socket in a shared folder of the host, or TCP on an engine network. */
export type GatewayRoute =
  | { readonly kind: 'unixSocket'; /** folder of the host that holds `gateway.sock`, open to every uid */ readonly directory: string }
  | {
      readonly kind: 'tcp';
      readonly url: string;
      /** engine network that reaches the gateway and nothing else */ readonly network: string;
    };

/** What an installation decides about its pods. */
export interface DockerPodSettings {
  /** value of the instance label; pods of other instances are invisible */
  readonly instance: string;
  /** reference of the agent's image, present on the engine or pullable */
  readonly agentImage: string;
  readonly gateway: GatewayRoute;
  /** path of a seccomp profile on the engine's machine; absent: the engine's default */
  readonly seccompProfile?: string;
  readonly pidsLimit: number;
  /** size of the algorithm's `/tmp`; it counts against its memory */
  readonly tmpBytes: number;
  readonly agentMemoryBytes: number;
  readonly agentCpu: number;
}

/** Settings that fit most installations. */
export const defaultPodSettings = {
  pidsLimit: 512,
  tmpBytes: 64 * 1024 ** 2,
  agentMemoryBytes: 192 * 1024 ** 2,
  agentCpu: 1,
} as const satisfies Partial<DockerPodSettings>;

/** Names of everything that every pod is made of, derived from the pod alone. */
export const podParts = (pod: PodRef) => {
  const name = podName(pod);
  return {
    agent: `${name}-agent`,
    algorithm: `${name}-algorithm`,
    volumes: { data: `${name}-data`, outputs: `${name}-outputs`, control: `${name}-control` },
  } as const;
};

/** What the image itself says about how it is run. */
export interface ImageConfig {
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
}

/** The user an algorithm runs as: the image's, or 1000:1000 where that would be root. */
export const algorithmUser = (imageUser: string): string => {
  const user = imageUser.trim().split(':')[0] ?? '';
  return user === '' || user === 'root' || /^0+$/.test(user) ? '1000:1000' : imageUser.trim();
};

/**
 * The algorithm's container: inputs read-only, outputs writable, no network, no privileges.
 * @throws JobFailure ImageUnavailable when neither request nor image names a command
 */
export const algorithmContainer = (
  spec: PodSpec,
  image: ImageConfig,
  settings: DockerPodSettings,
): ContainerCreateOptions & { name: string } => {
  const { algorithm, volumes } = podParts(spec.pod);
  const command = spec.command ?? [...image.entrypoint, ...image.cmd];
  if (command.length === 0) {
    throw new JobFailure('ImageUnavailable', 'neither the algorithm nor its image names a command; set an entrypoint');
  }
  const { memoryBytes, cpu, diskBytes } = spec.resources;
  return {
    name: algorithm,
    Image: spec.image,
    Entrypoint: [
      '/.c2d/busybox',
      'sh',
      '-c',
      wrapperScript({ seal: 'noNetwork', deadlineSeconds: spec.deadlineSeconds, fileBytes: diskBytes }),
      'wrapper',
    ],
    Cmd: [...command],
    Env: variablesOf(spec.env),
    User: algorithmUser(image.user),
    Labels: podLabels(spec, settings.instance),
    NetworkDisabled: true,
    HostConfig: {
      ...hardening(settings),
      ...untrusted({ cpu, memoryBytes, tmpBytes: settings.tmpBytes }),
      Mounts: [
        volumeMount(volumes.data, '/data', { readOnly: true, copy: false }),
        volumeMount(volumes.outputs, '/data/outputs', { readOnly: false, copy: false }),
        volumeMount(volumes.control, '/.c2d', { readOnly: true, copy: false }),
      ],
    },
  };
};
