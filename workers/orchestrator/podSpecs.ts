/** From what was validated to what a runtime must know: the pod of a job. */

import { createHash } from 'node:crypto';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { PodRef } from '../../workflows/contract/job.ts';
import type { PodSpec } from '../../workflows/contract/pod.ts';
import type { Admission, AlgorithmContainer, JobSpec, RegistryCredentials } from '../../workflows/contract/spec.ts';
import { clusterDevicesOf, type ComputeEnvironment } from '../../infra/environments/environments.ts';
import { podFiltersOf, publishSecondsOf, type WantedFilter } from '../../infra/environments/outputFilter.ts';
import { placementOf } from '../../infra/environments/placement.ts';

const gibibyte = 1024 ** 3;
/** what the platform may need around a run, on top of the job's own limits, before the runtime's last line ends the pod */
const deadlineMarginSeconds = 600;

/** What builds pod specifications. */
export interface PodSpecsDeps {
  readonly admissions: { readAdmission(jobId: string): Promise<{ readonly spec: JobSpec; readonly admission: Admission }> };
  readonly credentials: { readRegistryCredentials(jobId: string): Promise<RegistryCredentials | null> };
  /** true when the job's environment was found not to be sealed after the job was accepted */
  readonly isUnsealed: (jobId: string) => Promise<boolean>;
  readonly environmentOf: (environmentId: string) => ComputeEnvironment;
  readonly tokenOf: (pod: PodRef) => string;
  /** filters that the publishers of the datasets want */
  readonly wantedFiltersOf: (datasets: Admission['datasets']) => readonly WantedFilter[];
  readonly commandOf: (entrypoint: string) => readonly string[] | null;
  readonly imageOf: (container: AlgorithmContainer) => string;
  readonly environmentVariablesOf: (source: {
    readonly dids: readonly string[];
    readonly transformationDid: string;
    readonly envs: Readonly<Record<string, string>>;
    readonly secret: string;
  }) => Record<string, string>;
}

/** Folder names of the datasets, each once, in request order. */
const foldersOf = (admission: Admission): readonly string[] => [...new Set(admission.datasets.map(({ folder }) => folder))];

const notSealed = (environmentId: string): JobFailure =>
  new JobFailure(
    'PodUnsealed',
    `environment ${environmentId} turned out not to be isolated, so the algorithm was not started; choose another environment`,
  );

/** @returns the maker of pod specifications; it reads the ledger only */
export const createPodSpecs = ({
  admissions,
  credentials,
  isUnsealed,
  environmentOf,
  tokenOf,
  wantedFiltersOf,
  commandOf,
  imageOf,
  environmentVariablesOf,
}: PodSpecsDeps) => ({
  /** @throws JobFailure when the job was not accepted, or its environment is no longer configured or not sealed */
  async podSpecOf(pod: PodRef): Promise<PodSpec> {
    const [{ spec, admission }, registryCredentials, unsealed] = await Promise.all([
      admissions.readAdmission(pod.jobId),
      credentials.readRegistryCredentials(pod.jobId),
      isUnsealed(pod.jobId),
    ]);
    if (unsealed) throw notSealed(spec.environmentId);
    const environment = environmentOf(spec.environmentId);
    const { limits } = environment;
    const publishSeconds = publishSecondsOf(environment);
    const { cpu = 1, ram = 1, disk = 1 } = spec.resources;
    return {
      pod,
      environmentId: spec.environmentId,
      image: imageOf(admission.container),
      ...(registryCredentials !== null && { registryCredentials }),
      command: commandOf(admission.container.entrypoint),
      env: environmentVariablesOf({
        dids: foldersOf(admission),
        transformationDid: admission.algorithm?.folder ?? '',
        envs: spec.algorithm.envs,
        // kept for old code only; stable, so that a second pod of the job sees the same, and unlocking nothing
        secret: createHash('sha256').update(`algorithm-secret/${pod.jobId}`).digest('hex').slice(0, 32),
      }),
      resources: {
        cpu,
        memoryBytes: Math.round(ram * gibibyte),
        diskBytes: Math.round(disk * gibibyte),
        devices: clusterDevicesOf(environment, spec.resources),
      },
      token: tokenOf(pod),
      createSeconds: limits.createSeconds,
      graceSeconds: limits.graceSeconds,
      publishSeconds,
      placement: placementOf(environment.kubernetes),
      deadlineSeconds: limits.createSeconds + limits.stageSeconds + admission.runSeconds + publishSeconds + deadlineMarginSeconds,
      // a self-test has nothing of anybody's to publish, and its time does not count with what a filter takes
      filters: spec.surface === 'selfTest' ? [] : podFiltersOf(environment, wantedFiltersOf(admission.datasets)),
    };
  },
});
