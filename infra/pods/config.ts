/** Configuration keys of the runtime that makes execution pods. */

import { z } from 'zod';
import { flag } from '../process/config.ts';
import { defaultPodSettings, type DockerPodSettings } from './dockerSpec.ts';
import type { KubernetesPodSettings } from './kubernetesSpec.ts';

const bytes = z.coerce.number().int().positive();

/** Which of the two an installation has; every process that must know asks for it under this key. */
export const runtimeKeys = {
  C2D_RUNTIME: z.enum(['docker', 'kubernetes']).default('docker'),
  /** Kubernetes: jobs may bring credentials for the registry of their image; the orchestrator then makes secrets of them */
  C2D_REGISTRY_CREDENTIALS: flag.default(false),
};

/** Whether a job may bring credentials for the registry of its image: a cluster needs secrets for them, which the orchestrator may make only where it is told so. */
export const takesRegistryCredentials = ({ C2D_RUNTIME, C2D_REGISTRY_CREDENTIALS }: z.output<z.ZodObject<typeof runtimeKeys>>): boolean =>
  C2D_RUNTIME === 'docker' || C2D_REGISTRY_CREDENTIALS;

/** Keys that only pods of a cluster have. */
const clusterKeys = {
  /** absent: the service account of the pod that the orchestrator runs in */
  C2D_KUBECONFIG: z.string().regex(/^\//, 'is not an absolute path').optional(),
  /** namespace that has the jobs' pods and nothing else */
  C2D_KUBERNETES_NAMESPACE: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'is not the name of a namespace')
    .optional(),
  /** secrets of that namespace with which images are pulled */
  C2D_IMAGE_PULL_SECRETS: z
    .string()
    .default('')
    .transform((text) => text.split(',').map((name) => name.trim()))
    .transform((names) => names.filter((name) => name !== '')),
  /** false: user namespaces of their own for pods, where nodes can */
  C2D_POD_HOST_USERS: flag.default(true),
  /** a seccomp profile of the nodes instead of their runtime's default: a file below the kubelet's `seccomp` folder */
  C2D_POD_SECCOMP_PROFILE: z
    .string()
    .regex(/^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/, "is not a path below the kubelet's seccomp folder")
    .optional(),
  /** tells of changes sooner; nothing depends on it */
  C2D_POD_WATCH: flag.default(true),
};

export const podKeys = {
  ...runtimeKeys,
  ...clusterKeys,
  /** socket of Docker Engine or of a Podman service */
  C2D_DOCKER_SOCKET: z.string().default('/var/run/docker.sock'),
  C2D_AGENT_IMAGE: z.string().min(1),
  /** name of this installation on the engine or in the cluster: pods of others are invisible */
  C2D_INSTANCE: z
    .string()
    .regex(
      /^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$/,
      'is not a name of 1 to 63 letters, digits, dots and dashes that begins and ends with a letter or digit',
    )
    .default('durable-c2d'),
  /** folder of the host that holds the gateway's socket; agents see nothing else of the host */
  C2D_GATEWAY_SOCKET_FOLDER: z.string().optional(),
  /** on a cluster, and with an engine that cannot share sockets: the gateway's address */
  C2D_GATEWAY_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** the engine network that reaches that address alone */
  C2D_GATEWAY_NETWORK: z.string().optional(),
  /** path, on the engine's machine, of a stricter seccomp profile; Podman only: Docker Engine takes no paths and needs none */
  C2D_SECCOMP_PROFILE: z.string().regex(/^\//, 'is not an absolute path').optional(),
  C2D_POD_PIDS_LIMIT: z.coerce.number().int().min(8).default(defaultPodSettings.pidsLimit),
  C2D_POD_TMP_BYTES: bytes.default(defaultPodSettings.tmpBytes),
  C2D_AGENT_MEMORY_BYTES: bytes.default(defaultPodSettings.agentMemoryBytes),
  C2D_AGENT_CPU: z.coerce.number().positive().default(defaultPodSettings.agentCpu),
};

/** Values of `podKeys`. */
export type PodConfig = z.output<z.ZodObject<typeof podKeys>>;

/** Rule across keys: each runtime has its own way to the gateway. */
export const requireGatewayRoute = (config: PodConfig, context: z.core.$RefinementCtx): void => {
  const complain = (key: keyof PodConfig, message: string): void => context.addIssue({ code: 'custom', path: [key], message });
  if (config.C2D_RUNTIME === 'kubernetes') {
    if (config.C2D_KUBERNETES_NAMESPACE === undefined) complain('C2D_KUBERNETES_NAMESPACE', 'is required with C2D_RUNTIME=kubernetes');
    if (config.C2D_GATEWAY_URL === undefined) complain('C2D_GATEWAY_URL', 'is required with C2D_RUNTIME=kubernetes');
    else if (!config.C2D_GATEWAY_URL.startsWith('http:')) complain('C2D_GATEWAY_URL', 'must begin with http://: agents speak nothing else');
    return;
  }
  const overSocket = config.C2D_GATEWAY_SOCKET_FOLDER !== undefined;
  const overNetwork = config.C2D_GATEWAY_URL !== undefined && config.C2D_GATEWAY_NETWORK !== undefined;
  if (overSocket === overNetwork) {
    complain('C2D_GATEWAY_SOCKET_FOLDER', 'set either this, or C2D_GATEWAY_URL and C2D_GATEWAY_NETWORK');
  }
};

/** @param config checked by `requireGatewayRoute`, for Docker */
export const dockerSettingsOf = (config: PodConfig): DockerPodSettings => ({
  instance: config.C2D_INSTANCE,
  agentImage: config.C2D_AGENT_IMAGE,
  gateway:
    config.C2D_GATEWAY_SOCKET_FOLDER === undefined
      ? { kind: 'tcp', url: config.C2D_GATEWAY_URL ?? '', network: config.C2D_GATEWAY_NETWORK ?? '' }
      : { kind: 'unixSocket', directory: config.C2D_GATEWAY_SOCKET_FOLDER },
  ...(config.C2D_SECCOMP_PROFILE !== undefined && { seccompProfile: config.C2D_SECCOMP_PROFILE }),
  pidsLimit: config.C2D_POD_PIDS_LIMIT,
  tmpBytes: config.C2D_POD_TMP_BYTES,
  agentMemoryBytes: config.C2D_AGENT_MEMORY_BYTES,
  agentCpu: config.C2D_AGENT_CPU,
});

export const kubernetesSettingsOf = (config: PodConfig): KubernetesPodSettings => ({
  instance: config.C2D_INSTANCE,
  agentImage: config.C2D_AGENT_IMAGE,
  imagePullSecrets: config.C2D_IMAGE_PULL_SECRETS,
  registryCredentials: config.C2D_REGISTRY_CREDENTIALS,
  hostUsers: config.C2D_POD_HOST_USERS,
  ...(config.C2D_POD_SECCOMP_PROFILE !== undefined && { seccompProfile: config.C2D_POD_SECCOMP_PROFILE }),
  tmpBytes: config.C2D_POD_TMP_BYTES,
  agentMemoryBytes: config.C2D_AGENT_MEMORY_BYTES,
  agentCpu: config.C2D_AGENT_CPU,
});
