/** A network of a test's own, without any way out, in which every address is this machine. */

import { execa } from 'execa';
import { findOnPath } from '../../infra/toolchain/run.ts';

/** Every address of both families becomes local, so whoever listens on all addresses sees whatever is reached. */
const boot = 'ip link set lo up && ip route add local 0.0.0.0/0 dev lo && ip -6 route add local ::/0 dev lo && exec "$@"';

/**
 * Runs a program of ours in such a network, which ends with it.
 * @param script a TypeScript file
 * @returns what it printed, as JSON
 * @throws Error when the program fails or the network cannot be made
 */
export const runSealed = async (script: string, timeoutMs: number): Promise<unknown> => {
  const [unshare, ip] = [findOnPath('unshare'), findOnPath('ip')];
  if (unshare === undefined || ip === undefined) throw new Error('unshare and ip are needed: install util-linux and iproute2');
  const root = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  // the loaders of a test run are none of the program's business
  const env = { PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin`, NODE_OPTIONS: '--no-warnings' };
  const args = [...root, '--net', '--fork', '--kill-child', '/bin/sh', '-c', boot, 'sh', process.execPath, script];
  const { stdout, stderr, exitCode } = await execa(unshare, args, { env, extendEnv: false, timeout: timeoutMs, reject: false });
  if (exitCode !== 0) {
    throw new Error(`a network namespace is needed: be root, or allow user namespaces (status ${exitCode})\n${stderr.slice(-2_000)}`);
  }
  return JSON.parse(stdout) as unknown;
};
