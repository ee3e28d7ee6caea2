/** Execution pods as an administrator meets them from outside, whatever runs them. */

import Docker from 'dockerode';
import type { PodsPlace } from '../../infra/toolchain/stackPods.ts';
import type { PodRef } from '../../workflows/contract/job.ts';
import { dockerJobPods } from './dockerJobPods.ts';
import { kubernetesJobPods } from './kubernetesJobPods.ts';

/** The two containers of a pod. */
export type PodContainer = 'agent' | 'algorithm';

/** What a pod takes at one moment. */
export interface PodUsage {
  /** bytes in the volumes for inputs, outputs and logs */
  readonly bytes: number;
  /** how often the agent was started again */
  readonly restarts: number;
}

/** What tests do to pods behind the service's back. */
export interface JobPods {
  readonly kind: PodsPlace['kind'];
  /**
   * True where a killed agent is started again in its pod and goes on. On Kubernetes a container of a pod that never
   * restarts stays dead: there the pod is lost, and the job goes on in a second one.
   */
  readonly agentsComeBack: boolean;
  /** Whatever carries the job's label: empty when nothing is left of it. */
  findObjects(jobId: string): Promise<readonly string[]>;
  /** Runs a command in the algorithm's container. @returns its exit code @throws Error when nothing is told */
  exec(pod: PodRef, command: readonly string[]): Promise<number>;
  /** SIGKILL for the first process of one container of each pod, as the kernel would send it. */
  killMainProcesses(pods: readonly PodRef[], container: PodContainer): Promise<void>;
  /** Removes a pod by force, as an impatient administrator does. */
  removeByForce(pod: PodRef): Promise<void>;
  /** @returns undefined while there is no pod, or no longer */
  usageOf(pod: PodRef): Promise<PodUsage | undefined>;
}

/** Access to the pods of one stack. */
export const openJobPods = (place: PodsPlace, image: string): JobPods =>
  place.kind === 'docker' ? dockerJobPods(new Docker({ socketPath: place.socketPath }), image) : kubernetesJobPods(place);
