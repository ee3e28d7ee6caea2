/** Configuration keys of the runtime that makes execution pods. */

import { z } from 'zod';
import { defaultPodSettings, type DockerPodSettings } from './dockerSpec.ts';

const bytes = z.coerce.number().int().positive();

export const podKeys = {
  /** socket of Docker Engine or of a Podman service */
  C2D_DOCKER_SOCKET: z.string().default('/var/run/docker.sock'),
  C2D_AGENT_IMAGE: z.string().min(1),
  /** name of this installation on the engine: pods of others are invisible */
  C2D_INSTANCE: z
    .string()
    .regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/, 'is not a name of 1 to 63 letters, digits, dots and dashes')
    .default('durable-c2d'),
  /** folder of the host that holds the gateway's socket; agents see nothing else of the host */
  C2D_GATEWAY_SOCKET_FOLDER: z.string().optional(),
  /** with an engine that cannot share sockets: the gateway's address, and the engine network that reaches it alone */
  C2D_GATEWAY_URL: z.url({ protocol: /^https?$/ }).optional(),
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

/** Rule across keys: an agent reaches the gateway over a shared socket or over a network of the engine, not both. */
export const requireOneGatewayRoute = (config: PodConfig, context: z.core.$RefinementCtx): void => {
  const overSocket = config.C2D_GATEWAY_SOCKET_FOLDER !== undefined;
  const overNetwork = config.C2D_GATEWAY_URL !== undefined && config.C2D_GATEWAY_NETWORK !== undefined;
  if (overSocket === overNetwork) {
    context.addIssue({
      code: 'custom',
      path: ['C2D_GATEWAY_SOCKET_FOLDER'],
      message: 'set either this, or C2D_GATEWAY_URL and C2D_GATEWAY_NETWORK',
    });
  }
};

/** @param config checked by `requireOneGatewayRoute` */
export const podSettingsOf = (config: PodConfig): DockerPodSettings => ({
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
