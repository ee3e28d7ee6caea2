/** The programs of a node that come with the system: container runtime, network plugins, store, firewall. */

import { existsSync, statSync } from 'node:fs';
import { canInstallPackages, installDebianPackages } from '../debian.ts';
import { MissingPart, messageOf, type FoundPart, type Report } from '../parts.ts';
import { findOnPath, runProgram } from '../run.ts';

/** Program, and the Debian package that brings it. */
const programs: Readonly<Record<string, string>> = {
  etcd: 'etcd-server',
  containerd: 'containerd',
  ctr: 'containerd',
  runc: 'runc',
  nft: 'nftables',
  ip: 'iproute2',
  openssl: 'openssl',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  mount: 'mount',
};
const pluginPackage = 'containernetworking-plugins';
const pluginFolders = ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'];

/** Where the network plugins are, undefined if nowhere. */
export const findPluginFolder = (): string | undefined =>
  pluginFolders.find((folder) =>
    ['ptp', 'host-local', 'loopback'].every((plugin) => existsSync(`${folder}/${plugin}`) && statSync(`${folder}/${plugin}`).isFile()),
  );

const listAbsentPackages = (): readonly string[] => {
  const absent = Object.entries(programs).flatMap(([program, debian]) => (findOnPath(program) === undefined ? [debian] : []));
  return [...new Set([...absent, ...(findPluginFolder() === undefined ? [pluginPackage] : [])])];
};

/** The container runtime as the part that stands for all of them; undefined if one is absent. */
export const findNodePrograms = async (): Promise<FoundPart | undefined> => {
  const containerd = findOnPath('containerd');
  if (containerd === undefined || listAbsentPackages().length > 0) return undefined;
  const version = /\d+\.\d+\.\d+/.exec(await runProgram(containerd, ['--version'], { timeoutMs: 60_000 }))?.[0] ?? 'unknown';
  return { name: 'node programs', version: `containerd ${version}`, path: containerd, origin: 'path' };
};

/**
 * All of them, installed with apt if need be (Debian and Ubuntu, as root).
 * @throws MissingPart if we are not root, or one cannot be had
 */
export const ensureNodePrograms = async (report: Report = () => undefined): Promise<FoundPart> => {
  if (process.getuid?.() !== 0)
    throw new MissingPart(
      'cluster',
      'a node needs namespaces and control groups, which only root can make',
      'run it as root, or start Docker and install kind',
    );
  const found = await findNodePrograms();
  if (found !== undefined) return found;
  const absent = listAbsentPackages();
  const remedy = `install them (Debian: apt-get install ${absent.join(' ')})`;
  if (!canInstallPackages()) throw new MissingPart('cluster', `programs of a node are not installed`, remedy);
  await installDebianPackages(absent, report).catch((err: unknown) => {
    throw new MissingPart('cluster', messageOf(err), remedy);
  });
  const installed = await findNodePrograms();
  if (installed === undefined) throw new MissingPart('cluster', `${listAbsentPackages().join(', ')} did not bring their programs`, remedy);
  return { ...installed, origin: 'system package' };
};
