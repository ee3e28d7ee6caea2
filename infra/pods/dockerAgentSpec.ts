/** The agent's container, as plain data for the Docker API. Pure. */

import type { ContainerCreateOptions, MountSettings } from 'dockerode';
import type { PodSpec } from '../../workflows/contract/pod.ts';
import { filterMountsOfAgent } from './dockerFilterSpec.ts';
import { podParts, type DockerPodSettings } from './dockerSpec.ts';
import { hardening, variablesOf, volumeMount } from './dockerWalls.ts';
import { filterVariables } from './filterSpec.ts';
import { podLabels } from './podLabels.ts';
import { agentUid } from './wrapper.ts';

/** The agent's container: it alone holds the token, and reaches the gateway and nothing else. */
export const agentContainer = (spec: PodSpec, settings: DockerPodSettings): ContainerCreateOptions & { name: string } => {
  const { agent, volumes } = podParts(spec.pod);
  const { gateway } = settings;
  return {
    name: agent,
    Image: settings.agentImage,
    Env: variablesOf({
      C2D_GATEWAY: gateway.kind === 'tcp' ? gateway.url : 'unix:/run/c2d/gateway.sock',
      C2D_TOKEN: spec.token,
      ...filterVariables(spec),
    }),
    User: `${agentUid}:${agentUid}`,
    Labels: podLabels(spec, settings.instance),
    HostConfig: {
      ...hardening(settings),
      NetworkMode: gateway.kind === 'tcp' ? gateway.network : 'none',
      Mounts: [
        volumeMount(volumes.data, '/data', { readOnly: false, copy: true }),
        volumeMount(volumes.outputs, '/data/outputs', { readOnly: false, copy: true }),
        volumeMount(volumes.control, '/.c2d', { readOnly: false, copy: true }),
        ...filterMountsOfAgent(spec),
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

/** The folder, not the socket in it: a restarted gateway makes a new socket. */
const folderMount = (directory: string): MountSettings => ({ Type: 'bind', Source: directory, Target: '/run/c2d', ReadOnly: true });
