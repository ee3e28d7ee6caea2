/** The system call filter of pods, for the Podman and the clusters that we start ourselves. */

import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { hardenSeccomp } from '../pods/seccomp.ts';
import { nodeSeccomp, type NodeArchitecture } from '../pods/seccompOfNode.ts';

/** Where Podman looks for its default, in its order. */
const defaultProfiles = ['/etc/containers/seccomp.json', '/usr/share/containers/seccomp.json'];

/** The profile that Podman gives to containers by default; undefined where it uses the one it was built with. */
export const findDefaultProfile = (): string | undefined => defaultProfiles.find((file) => existsSync(file));

/**
 * Writes the hardened form of a profile.
 * @param source path of an engine's `seccomp.json`
 * @throws Error if it is no profile, or one that cannot be hardened
 */
export const writeHardenedProfile = async (source: string, target: string): Promise<void> => {
  await writeProfile(target, hardenSeccomp(await readProfile(source)));
};

/**
 * Writes the hardened form of a profile as the kubelets of nodes with such processors take it.
 * @param source path of an engine's `seccomp.json`
 * @throws Error if it is no profile, or one that cannot be hardened
 */
export const writeNodeProfile = async (source: string, target: string, architecture: NodeArchitecture): Promise<void> => {
  await writeProfile(target, nodeSeccomp(await readProfile(source), architecture));
};

const readProfile = async (file: string): Promise<unknown> => JSON.parse(await readFile(file, 'utf8'));

const writeProfile = (target: string, profile: object): Promise<void> =>
  writeFile(target, `${JSON.stringify(profile, null, 2)}\n`, { mode: 0o644 });
