/** Pods of a container engine, from outside. */

import type Docker from 'dockerode';
import { podParts } from '../../infra/pods/dockerSpec.ts';
import { findJobObjects } from '../../infra/toolchain/demo/leftovers.ts';
import type { JobPods } from './jobPods.ts';
import { execIn, killMainProcesses } from './signals.ts';
import { diskUsage } from './diskUsage.ts';

/** @param image one with a shell, for what only a container may do */
export const dockerJobPods = (docker: Docker, image: string): JobPods => ({
  kind: 'docker',
  agentsComeBack: true,
  async findObjects(jobId) {
    const { containers, volumes } = await findJobObjects(docker, jobId);
    return [...containers, ...volumes];
  },
  exec: (pod, command) => execIn(docker, podParts(pod).algorithm, command),
  killMainProcesses: (pods, container) =>
    killMainProcesses(
      { docker, image },
      pods.map((pod) => podParts(pod)[container]),
    ),
  async removeByForce(pod) {
    const { agent, algorithm } = podParts(pod);
    await Promise.all([agent, algorithm].map((name) => docker.getContainer(name).remove({ force: true })));
  },
  async usageOf(pod) {
    const { agent, volumes } = podParts(pod);
    const [volume, container] = await Promise.all([
      unlessAbsent(docker.getVolume(volumes.data).inspect()),
      unlessAbsent(docker.getContainer(agent).inspect()),
    ]);
    if (volume === undefined || container === undefined) return undefined;
    return { bytes: await diskUsage(volume.Mountpoint), restarts: container.RestartCount };
  },
});

const unlessAbsent = <Found>(look: Promise<Found>): Promise<Found | undefined> => look.catch(() => undefined);
