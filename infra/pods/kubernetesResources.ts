/** What each container of a pod asks of its node. Pure. */

import type { V1ResourceRequirements } from '@kubernetes/client-node';
import type { PodSpec } from '../../workflows/contract/pod.ts';
import { isClaimed } from './kubernetesVolumes.ts';

/** What it asks for is what it gets, so that no job lives at the expense of another. */
export const algorithmResources = (spec: PodSpec): V1ResourceRequirements => {
  const { cpu, memoryBytes, diskBytes, devices } = spec.resources;
  const amounts = {
    cpu: millicores(cpu),
    memory: String(memoryBytes),
    'ephemeral-storage': isClaimed(spec) ? ownDisk : String(diskBytes),
    ...Object.fromEntries(Object.entries(devices).map(([name, count]) => [name, String(count)])),
  };
  return { requests: amounts, limits: { ...amounts } };
};

interface AgentShare {
  readonly agentCpu: number;
  readonly agentMemoryBytes: number;
}

/** An agent works at the beginning and at the end: between them its share is free for others. */
export const agentResources = ({ agentCpu, agentMemoryBytes }: AgentShare): V1ResourceRequirements =>
  idleResources({ cpu: agentCpu, memoryBytes: agentMemoryBytes, memoryShare: 1 / 3 });

interface IdleResources {
  readonly cpu: number;
  readonly memoryBytes: number;
  /** of its memory that nobody else has meanwhile */
  readonly memoryShare: number;
}

/** For what does nothing while the algorithm runs. */
export const idleResources = ({ cpu, memoryBytes, memoryShare }: IdleResources): V1ResourceRequirements => ({
  requests: { cpu: millicores(cpu / 20), memory: String(Math.ceil(memoryBytes * memoryShare)), 'ephemeral-storage': ownDisk },
  limits: { cpu: millicores(cpu), memory: String(memoryBytes), 'ephemeral-storage': ownDisk },
});

/** What a container takes of its node beside data and outputs. */
const ownDisk = String(64 * 1024 ** 2);

const millicores = (cores: number): string => `${Math.max(1, Math.round(cores * 1_000))}m`;
