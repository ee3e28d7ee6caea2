/** Ocean's status numbers, as ocean-node's table has them; the terminal numbers above 70 are ours. */

import type { AgentPhase, AlgorithmExit, JobEnd } from './job.ts';
import type { FailureType } from './failures.ts';

/** Numbers that a job shows on its way. */
export const status = {
  queued: 1,
  queueExpired: 2,
  pullingImage: 10,
  imageFailed: 11,
  configuringVolumes: 20,
  volumeFailed: 21,
  containerFailed: 22,
  provisioningData: 30,
  dataProvisioningFailed: 31,
  algorithmProvisioningFailed: 32,
  running: 40,
  runFailed: 41,
  diskQuotaExceeded: 42,
  filtering: 50,
  publishing: 60,
  outputsFailed: 61,
  publishingFailed: 62,
  finished: 70,
  settling: 71,
  stopped: 80,
  timedOut: 81,
  algorithmFailed: 82,
  outOfMemory: 83,
  lost: 84,
} as const;

const texts: Readonly<Record<number, string>> = {
  0: 'Job started',
  1: 'Job queued',
  2: 'Job expired in queue',
  10: 'Pulling algorithm image',
  11: 'Pulling algorithm image failed',
  12: 'Building algorithm image',
  13: 'Building algorithm image failed',
  14: 'Image has vulnerabilities',
  20: 'Configuring volumes',
  21: 'Volume creation failed',
  22: 'Container creation failed',
  30: 'Provisioning data',
  31: 'Data provisioning failed',
  32: 'Algorithm provisioning failed',
  33: 'Data upload to container failed',
  40: 'Running algorithm ',
  41: 'Failed to run algorithm',
  42: 'Error: disk quota exceeded',
  50: 'Filtering results',
  60: 'Publishing results',
  61: 'Failed to get outputs folder from container',
  62: 'Failed to upload results to storage',
  70: 'Job finished',
  71: 'Job settling',
  80: 'Job stopped',
  81: 'Job exceeded maximum duration',
  82: 'Algorithm exited with an error',
  83: 'Algorithm out of memory',
  84: 'Job lost by the platform',
};

/** The node-style text of a status number; the trailing blank of 40 is part of the contract. */
export const statusText = (number: number): string => texts[number] ?? 'Unknown status';

const failureStatus: Readonly<Partial<Record<FailureType, number>>> = {
  QueueTimedOut: status.queueExpired,
  NoCapacity: status.queueExpired,
  QuotaExceeded: status.queueExpired,
  ImageUnavailable: status.imageFailed,
  ImagePullFailed: status.imageFailed,
  VolumeFailed: status.volumeFailed,
  ContainerFailed: status.containerFailed,
  ClusterMisconfigured: status.containerFailed,
  PodConflict: status.containerFailed,
  PodUnsealed: status.containerFailed,
  InputUnavailable: status.dataProvisioningFailed,
  InputTooLarge: status.dataProvisioningFailed,
  AlgorithmUnavailable: status.algorithmProvisioningFailed,
  AlgorithmChecksumMismatch: status.algorithmProvisioningFailed,
  AlgorithmOutOfMemory: status.outOfMemory,
  OutputsTooLarge: status.diskQuotaExceeded,
  OutputsUnreadable: status.outputsFailed,
  OutputsWithheld: status.publishingFailed,
  OutputTargetRefused: status.publishingFailed,
  OutputTargetUnavailable: status.publishingFailed,
  StorageRefused: status.publishingFailed,
  StorageUnavailable: status.publishingFailed,
  PodLost: status.lost,
};

const phaseTimeoutStatus: Readonly<Record<AgentPhase | 'createPod', number>> = {
  createPod: status.containerFailed,
  stageInputs: status.dataProvisioningFailed,
  runAlgorithm: status.lost,
  publishOutputs: status.publishingFailed,
};

/** Status in which a job ends after a failure of `type` in `phase`. */
export const statusOfFailure = (type: FailureType, phase: AgentPhase | 'createPod'): number => {
  // one that could not be started is known before the algorithm is let go
  if (type === 'FilterFailed') return phase === 'publishOutputs' ? status.publishingFailed : status.containerFailed;
  return failureStatus[type] ?? phaseTimeoutStatus[phase];
};

/** Status, reason and exit of a job whose algorithm ended by itself. */
export const endOfRun = (exit: AlgorithmExit): JobEnd => {
  const { exitCode, oomKilled } = exit;
  if (exit.end === 'unstartable') return { status: status.runFailed, reason: exit.reason, exitCode, oomKilled };
  if (exit.end === 'diskQuotaExceeded') return { status: status.diskQuotaExceeded, reason: exit.reason, exitCode, oomKilled };
  if (oomKilled) return { status: status.outOfMemory, reason: 'the algorithm exceeded its memory limit', exitCode, oomKilled };
  if (exitCode === 0) return { status: status.finished, reason: 'the algorithm ended with exit code 0', exitCode, oomKilled };
  return { status: status.algorithmFailed, reason: `the algorithm ended with exit code ${exitCode}`, exitCode, oomKilled };
};

/** True for a number after which a job changes no more. */
export const isTerminal = (number: number): boolean =>
  number >= 70 ? number !== status.settling : [2, 11, 13, 14, 21, 22, 31, 32, 33, 41, 42, 61, 62].includes(number);

const billedEnds: readonly number[] = [
  status.finished,
  status.diskQuotaExceeded,
  status.stopped,
  status.timedOut,
  status.algorithmFailed,
  status.outOfMemory,
];

/** True for the ends that cost the consumer the time that the algorithm ran: its own, and no fault of the platform's. */
export const isBilledEnd = (number: number): boolean => billedEnds.includes(number);
