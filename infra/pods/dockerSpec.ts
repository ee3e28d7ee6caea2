/** The two containers and three volumes of a pod, as plain data for the Docker API. Pure. */

import type { ContainerCreateOptions, MountSettings } from 'dockerode';
import { podName } from '../../workflows/contract/ids.ts';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { PodRef } from '../../workflows/contract/job.ts';
import type { PodSpec } from '../../workflows/contract/pod.ts';
import { podLabels } from './podLabels.ts';
import { agentUid, wrapperScript } from './wrapper.ts';

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

/** Names of everything a pod is made of, derived from the pod alone. */
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
    Env: Object.entries(spec.env).map(([name, value]) => `${name}=${value}`),
    User: algorithmUser(image.user),
    Labels: podLabels(spec, settings.instance),
    NetworkDisabled: true,
    HostConfig: {
      ...hardening(settings),
      NetworkMode: 'none',
      Mounts: [
        volumeMount(volumes.data, '/data', { readOnly: true, copy: false }),
        volumeMount(volumes.outputs, '/data/outputs', { readOnly: false, copy: false }),
        volumeMount(volumes.control, '/.c2d', { readOnly: true, copy: false }),
      ],
      Tmpfs: { '/tmp': `rw,exec,nosuid,nodev,mode=1777,size=${settings.tmpBytes}` },
      Memory: memoryBytes,
      MemorySwap: memoryBytes,
      NanoCpus: Math.round(cpu * 1e9),
      // when the machine runs out of memory, an algorithm goes before anything of the platform
      OomScoreAdj: 500,
      RestartPolicy: { Name: 'no' },
    },
  };
};

/** The agent's container: it alone holds the token, and reaches the gateway and nothing else. */
export const agentContainer = (spec: PodSpec, settings: DockerPodSettings): ContainerCreateOptions & { name: string } => {
  const { agent, volumes } = podParts(spec.pod);
  const { gateway } = settings;
  return {
    name: agent,
    Image: settings.agentImage,
    Env: [`C2D_GATEWAY=${gateway.kind === 'tcp' ? gateway.url : 'unix:/run/c2d/gateway.sock'}`, `C2D_TOKEN=${spec.token}`],
    User: `${agentUid}:${agentUid}`,
    Labels: podLabels(spec, settings.instance),
    HostConfig: {
      ...hardening(settings),
      NetworkMode: gateway.kind === 'tcp' ? gateway.network : 'none',
      Mounts: [
        volumeMount(volumes.data, '/data', { readOnly: false, copy: true }),
        volumeMount(volumes.outputs, '/data/outputs', { readOnly: false, copy: true }),
        volumeMount(volumes.control, '/.c2d', { readOnly: false, copy: true }),
        ...(gateway.kind === 'unixSocket' ? [folderMount(gateway.directory)] : []),
      ],
      Tmpfs: { '/tmp': 'rw,noexec,nosuid,nodev,mode=1777,size=1048576' },
      Memory: settings.agentMemoryBytes,
      MemorySwap: settings.agentMemoryBytes,
      NanoCpus: Math.round(settings.agentCpu * 1e9),
      // a killed agent comes back and goes on where it was; an agent that ended by itself stays ended
      RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 10 },
    },
  };
};

const hardening = ({ pidsLimit, seccompProfile }: DockerPodSettings) => ({
  CapDrop: ['ALL'],
  SecurityOpt: ['no-new-privileges', ...(seccompProfile === undefined ? [] : [`seccomp=${seccompProfile}`])],
  ReadonlyRootfs: true,
  Privileged: false,
  PidsLimit: pidsLimit,
  IpcMode: 'private',
  Init: false,
  LogConfig: { Type: 'none', Config: {} },
});

const volumeMount = (
  volume: string,
  target: string,
  { readOnly, copy }: { readonly readOnly: boolean; readonly copy: boolean },
): MountSettings =>
  ({ Type: 'volume', Source: volume, Target: target, ReadOnly: readOnly, VolumeOptions: { NoCopy: !copy } }) as MountSettings;

/** The folder, not the socket in it: a restarted gateway makes a new socket. */
const folderMount = (directory: string): MountSettings => ({ Type: 'bind', Source: directory, Target: '/run/c2d', ReadOnly: true });
