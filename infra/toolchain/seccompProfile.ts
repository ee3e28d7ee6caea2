/** The system call filter of pods, for the Podman that we start ourselves. */

import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { hardenSeccomp } from '../pods/seccomp.ts';

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
  const profile: unknown = JSON.parse(await readFile(source, 'utf8'));
  await writeFile(target, `${JSON.stringify(hardenSeccomp(profile), null, 2)}\n`, { mode: 0o644 });
};
