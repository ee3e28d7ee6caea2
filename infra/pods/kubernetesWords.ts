/** Words of a kubelet about containers that do not run. */

import type { FailureType } from '../../workflows/contract/failures.ts';

/** `ErrImagePull` and its back-off are one state seen at two moments. */
export const pullReasons: ReadonlySet<string> = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'ImageInspectError',
  'RegistryUnavailable',
]);

/** None of them is the consumer's doing: commands, users and volumes are ours. */
export const containerRefusals: Readonly<Record<string, FailureType>> = {
  CreateContainerConfigError: 'ClusterMisconfigured',
  CreateContainerError: 'ContainerFailed',
  RunContainerError: 'ContainerFailed',
  PostStartHookError: 'ContainerFailed',
  PreCreateHookError: 'ContainerFailed',
  PreStartHookError: 'ContainerFailed',
};

/** The runtime could not execute even the wrapper. */
export const neverRan: ReadonlySet<string> = new Set(['StartError', 'ContainerCannotRun']);
