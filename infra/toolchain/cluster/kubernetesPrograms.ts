/** The programs of Kubernetes itself. */

import { existsSync } from 'node:fs';
import path from 'node:path';
import { cachePath, isCached } from '../cache.ts';
import { MissingPart, messageOf, type FoundPart, type Report } from '../parts.ts';
import { runProgram } from '../run.ts';
import { downloadProgram, ensureGoPrograms, releaseArchitecture, type GoRecipe } from './goPrograms.ts';

/** 1.35 and later refuse machines whose control groups are of version 1. */
export const kubernetesVersion = '1.34.4';

const programNames = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy', 'kubectl'] as const;

/** One of the programs of Kubernetes. */
export type KubernetesProgram = (typeof programNames)[number];

const minor = kubernetesVersion.split('.')[1] ?? '';
const versionVariables = [`gitVersion=v${kubernetesVersion}`, 'gitMajor=1', `gitMinor=${minor}`];
const linkerFlags = ['-s', '-w', ...versionVariables.map((variable) => `-X k8s.io/component-base/version.${variable}`)].join(' ');

const kubernetes: GoRecipe = {
  entry: { name: 'kubernetes', version: kubernetesVersion },
  part: 'kubernetes',
  download: async (folder) => {
    const base = `https://dl.k8s.io/v${kubernetesVersion}/bin/${process.platform}/${releaseArchitecture()}`;
    for (const name of programNames) await downloadProgram(`${base}/${name}`, path.join(folder, name));
  },
  build: async (go, folder, options) => {
    for (const name of programNames) {
      options.report(`building ${name}`);
      const args = ['build', '-trimpath', '-ldflags', linkerFlags, '-o', `${folder}/`, `k8s.io/kubernetes/cmd/${name}`];
      await runProgram(go, args, { ...options, cwd: path.join(import.meta.dirname, 'kubernetes') });
    }
  },
  remedy: `install Go 1.24 or newer, or put the programs of Kubernetes ${kubernetesVersion} into a folder and set C2D_KUBERNETES_DIR to it`,
};

/**
 * A folder with the programs of Kubernetes that is here already: `C2D_KUBERNETES_DIR`, else the cache.
 * @throws MissingPart if `C2D_KUBERNETES_DIR` lacks one of them
 */
export const findKubernetes = async (): Promise<FoundPart | undefined> => {
  const named = process.env.C2D_KUBERNETES_DIR;
  if (named === undefined || named === '')
    return isCached(kubernetes.entry) ? describeKubernetes(cachePath(kubernetes.entry), 'cache') : undefined;
  const absent = programNames.find((name) => !existsSync(path.join(named, name)));
  if (absent !== undefined)
    throw new MissingPart('kubernetes', `C2D_KUBERNETES_DIR has no ${absent}`, `put it there, or unset C2D_KUBERNETES_DIR`);
  return describeKubernetes(path.resolve(named), 'environment');
};

/**
 * The programs of Kubernetes, fetched if need be.
 * @throws MissingPart if there is no way to get them
 */
export const ensureKubernetes = async (report: Report = () => undefined): Promise<FoundPart> => {
  const found = await findKubernetes();
  if (found !== undefined) return found;
  const { path: folder, origin } = await ensureGoPrograms(kubernetes, report);
  return describeKubernetes(folder, origin);
};

const describeKubernetes = async (folder: string, origin: FoundPart['origin']): Promise<FoundPart> => {
  const text = await runProgram(path.join(folder, 'kubelet'), ['--version'], { timeoutMs: 60_000 }).catch((err: unknown) => {
    throw new MissingPart('kubernetes', `the kubelet in ${folder} does not run: ${messageOf(err)}`, kubernetes.remedy);
  });
  return { name: 'kubernetes', version: text.replace(/^Kubernetes v/, ''), path: folder, origin };
};
