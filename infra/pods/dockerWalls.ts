/** What all containers of a pod have in common on an engine: walls, limits and mounts. Pure. */

import type { MountSettings } from 'dockerode';

/** As an engine takes them. */
export const variablesOf = (env: Readonly<Record<string, string>>): string[] =>
  Object.entries(env).map(([name, value]) => `${name}=${value}`);

/** For what others have written: no network, a `/tmp` of its own, hard limits, one life. */
export const untrusted = ({
  cpu,
  memoryBytes,
  tmpBytes,
}: {
  readonly cpu: number;
  readonly memoryBytes: number;
  readonly tmpBytes: number;
}) => ({
  NetworkMode: 'none',
  Tmpfs: { '/tmp': `rw,exec,nosuid,nodev,mode=1777,size=${tmpBytes}` },
  Memory: memoryBytes,
  MemorySwap: memoryBytes,
  NanoCpus: Math.round(cpu * 1e9),
  // when the machine runs out of memory, an algorithm goes before anything of the platform
  OomScoreAdj: 500,
  RestartPolicy: { Name: 'no' },
});

/** For every container of a pod. */
export const hardening = ({ pidsLimit, seccompProfile }: { readonly pidsLimit: number; readonly seccompProfile?: string }) => ({
  CapDrop: ['ALL'],
  SecurityOpt: ['no-new-privileges', ...(seccompProfile === undefined ? [] : [`seccomp=${seccompProfile}`])],
  ReadonlyRootfs: true,
  Privileged: false,
  PidsLimit: pidsLimit,
  IpcMode: 'private',
  Init: false,
  LogConfig: { Type: 'none', Config: {} },
});

/** @param options `copy`: an empty volume gets what the image has at that place */
export const volumeMount = (
  volume: string,
  target: string,
  { readOnly, copy }: { readonly readOnly: boolean; readonly copy: boolean },
): MountSettings =>
  ({ Type: 'volume', Source: volume, Target: target, ReadOnly: readOnly, VolumeOptions: { NoCopy: !copy } }) as MountSettings;
