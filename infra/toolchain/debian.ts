/** System packages, where we may install them: Debian and its descendants, as root. */

import { existsSync } from 'node:fs';
import { withLock } from './cache.ts';
import { findOnPath, runProgram } from './run.ts';
import type { Report } from './parts.ts';

const installPatienceMs = 900_000;

/** True if `installDebianPackages` may work here. */
export const canInstallPackages = (): boolean =>
  process.getuid?.() === 0 && existsSync('/etc/debian_version') && findOnPath('apt-get') !== undefined;

/**
 * Installs packages with apt, without questions and without recommended extras.
 * @throws Error if this is no Debian, we are not root, or apt fails
 */
export const installDebianPackages = async (names: readonly string[], report: Report): Promise<void> => {
  if (!canInstallPackages()) throw new Error('it is not installed, and only root on Debian or Ubuntu can have it installed');
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const options = { env, timeoutMs: installPatienceMs };
  await withLock(
    'apt',
    async () => {
      report(`installing ${names.join(', ')} with apt`);
      const install = ['-o', 'DPkg::Lock::Timeout=300', 'install', '-y', '-qq', '--no-install-recommends', ...names];
      await runProgram('apt-get', install, options).catch(async () => {
        // the usual reason: package lists that are missing or too old
        await runProgram('apt-get', ['-o', 'DPkg::Lock::Timeout=300', 'update', '-qq'], options);
        await runProgram('apt-get', install, options);
      });
    },
    report,
  );
};
