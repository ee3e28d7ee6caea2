/**
 * Clusters in Docker containers, by kind: for whoever has Docker and is not root. Its network plugin enforces policies
 * and cannot be told not to. A cluster stays until it is closed, also when whoever started it is killed.
 */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createWriteStream, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type Docker from 'dockerode';
import { cacheFolder } from '../cache.ts';
import { findContainerEngine } from '../containerEngine.ts';
import { MissingPart, type FoundPart, type Report } from '../parts.ts';
import { findOnPath, runProgram } from '../run.ts';
import type { Cluster, ClusterComponent, ClusterMaker, ClusterOptions } from './contract.ts';
import type { ClusterFacts, ClusterReport } from './control.ts';
import { componentNames } from './components.ts';
import { downloadProgram, ensureGoProgram, releaseArchitecture, type GoProgramRecipe } from './goPrograms.ts';
import { wholeReference } from './images.ts';
import { kubernetesVersion } from './kubernetesPrograms.ts';

const kindVersion = '0.30.0';
const createPatienceMs = 900_000;
const podCidr = '10.244.0.0/16';
const serviceCidr = '10.96.0.0/16';
const registriesOnNode = '/etc/containerd/certs.d';
const manifests = '/etc/kubernetes/manifests';

const kind: GoProgramRecipe = {
  entry: { name: 'kind', version: kindVersion },
  part: 'kind',
  versionArguments: ['version'],
  download: (folder) =>
    downloadProgram(
      `https://github.com/kubernetes-sigs/kind/releases/download/v${kindVersion}/kind-${process.platform}-${releaseArchitecture()}`,
      path.join(folder, 'kind'),
    ),
  build: async (go, _folder, options) => {
    await runProgram(go, ['install', `sigs.k8s.io/kind@v${kindVersion}`], options);
  },
  remedy: 'install kind on the PATH, or run as root for a cluster of our own',
};

const ensureKind = async (report: Report): Promise<FoundPart> => {
  const engine = await findContainerEngine();
  const remedy = 'run as root for a cluster of our own, or start Docker';
  if (engine?.name !== 'docker') throw new MissingPart('cluster', 'without root it needs Docker, and none answers', remedy);
  if (findOnPath('kubectl') === undefined) throw new MissingPart('cluster', 'there is no kubectl on the PATH', 'install kubectl');
  return ensureGoProgram(kind, report);
};

const settings = {
  kind: 'Cluster',
  apiVersion: 'kind.x-k8s.io/v1alpha4',
  networking: { podSubnet: podCidr, serviceSubnet: serviceCidr },
  containerdConfigPatches: [`[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "${registriesOnNode}"`],
};

const clusterName = (name: string): string => `c2d-${name}`;
const nodeOf = (name: string): string => `${clusterName(name)}-control-plane`;
const folderOf = (name: string): string => path.join(cacheFolder(), 'clusters', `${name}.kind`);
const kubeconfigOf = (name: string): string => path.join(folderOf(name), 'kubeconfig');

const start = async ({ name, isEnforcingPolicies = true, report = () => undefined }: ClusterOptions): Promise<Cluster> => {
  if (!isEnforcingPolicies) throw cannotSwitchPolicies();
  const { path: file } = await ensureKind(report);
  await mkdir(folderOf(name), { recursive: true });
  const config = path.join(folderOf(name), 'settings.json');
  await writeFile(config, JSON.stringify(settings));
  report('kind creates the cluster');
  const options = ['--name', clusterName(name), '--config', config, '--kubeconfig', kubeconfigOf(name), '--wait', '120s'];
  const image = ['--image', `kindest/node:v${kubernetesVersion}`];
  try {
    await runProgram(file, ['create', 'cluster', ...options, ...image], { timeoutMs: createPatienceMs, report });
    const cluster = await connect(name);
    if (cluster === undefined) throw new Error('kind has created it, and it is not there');
    return cluster;
  } catch (err) {
    await remove(name);
    throw err;
  }
};

const remove = async (name: string): Promise<boolean> => {
  if (!existsSync(folderOf(name))) return false;
  const { path: file } = await ensureKind(() => undefined);
  await runProgram(file, ['delete', 'cluster', '--name', clusterName(name)], { timeoutMs: createPatienceMs });
  await rm(folderOf(name), { recursive: true, force: true });
  return true;
};

const onNode = (name: string, ...command: string[]): Promise<string> =>
  runProgram('docker', ['exec', nodeOf(name), ...command], { timeoutMs: 120_000 });

const connect = async (name: string): Promise<Cluster | undefined> => {
  if (!existsSync(kubeconfigOf(name))) return undefined;
  const kubeconfig = kubeconfigOf(name);
  const kubectl = (args: readonly string[]): Promise<string> =>
    runProgram('kubectl', ['--kubeconfig', kubeconfig, ...args], { timeoutMs: 120_000 });
  const until = async (args: readonly string[]): Promise<void> => {
    await kubectl(['wait', '--for=condition=Ready', `node/${nodeOf(name)}`, '--timeout=100s', ...args]);
  };
  return {
    name,
    kubeconfig,
    nodeAddress: await findHostAddress(),
    podCidr,
    serviceCidr,
    kubelet: service(name, 'kubelet', () => until([])),
    containerd: service(name, 'containerd', () => until([])),
    apiServer: staticPod(name, 'kube-apiserver', () => until([])),
    etcd: staticPod(name, 'etcd', () => until([])),
    importImage: (docker, reference) => importImage(name, docker, reference),
    trustRegistry: async (registry) => {
      const text = `server = "http://${registry}"\n`;
      await onNode(
        name,
        'sh',
        '-c',
        `mkdir -p '${registriesOnNode}/${registry}' && printf '%s' '${text}' > '${registriesOnNode}/${registry}/hosts.toml'`,
      );
    },
    setPolicyEnforcement: (isEnforcing) => (isEnforcing ? Promise.resolve() : Promise.reject(cannotSwitchPolicies())),
    kubectl,
    close: async () => {
      await remove(name);
    },
  };
};

const cannotSwitchPolicies = (): Error =>
  new MissingPart('cluster', "kind's network plugin always enforces policies", 'run as root, with C2D_CLUSTER set to own');

/** The address of this machine in kind's network. */
const findHostAddress = async (): Promise<string> => {
  const text = await runProgram('docker', ['network', 'inspect', 'kind', '--format', '{{range .IPAM.Config}}{{.Gateway}} {{end}}']);
  const address = text.split(' ').find((gateway) => /^\d+\.\d+\.\d+\.\d+$/.test(gateway));
  if (address === undefined) throw new Error("this machine has no address of version 4 in kind's network");
  return address;
};

const service = (name: string, unit: string, ready: () => Promise<void>): ClusterComponent => {
  const control = async (...args: string[]): Promise<void> => {
    await onNode(name, 'systemctl', ...args);
  };
  const begin = async (): Promise<void> => {
    await control('start', unit);
    await ready();
  };
  const kill = async (): Promise<void> => {
    // the unit would start it again
    await control('kill', '--signal=KILL', unit);
    await control('stop', unit);
  };
  return { stop: () => control('stop', unit), kill, start: begin, restart: () => control('stop', unit).then(begin) };
};

/** The kubelet ends what has no manifest any more. */
const staticPod = (name: string, pod: string, ready: () => Promise<void>): ClusterComponent => {
  const stop = async (): Promise<void> => {
    await onNode(name, 'sh', '-c', `mv ${manifests}/${pod}.yaml /root/ && while pgrep -x ${pod} > /dev/null; do sleep 0.1; done`);
  };
  const kill = async (): Promise<void> => {
    await onNode(name, 'sh', '-c', `mv ${manifests}/${pod}.yaml /root/ && pkill -KILL -x ${pod}`);
  };
  const begin = async (): Promise<void> => {
    await onNode(name, 'sh', '-c', `[ ! -f /root/${pod}.yaml ] || mv /root/${pod}.yaml ${manifests}/`);
    await onNode(name, 'sh', '-c', `until pgrep -x ${pod} > /dev/null; do sleep 0.1; done`);
    await ready();
  };
  return { stop, kill, start: begin, restart: () => stop().then(begin) };
};

const importImage = async (name: string, docker: Docker, reference: string): Promise<string> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'c2d-image-'));
  try {
    const archive = path.join(folder, 'image.tar');
    await pipeline(await docker.getImage(reference).get(), createWriteStream(archive));
    const { path: file } = await ensureKind(() => undefined);
    await runProgram(file, ['load', 'image-archive', archive, '--name', clusterName(name)], { timeoutMs: createPatienceMs });
    return wholeReference(reference);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const inspect = async (name: string): Promise<ClusterReport | undefined> => {
  const cluster = await connect(name);
  if (cluster === undefined) return undefined;
  const { kubeconfig, nodeAddress } = cluster;
  const facts: ClusterFacts = {
    ...{ kubeconfig, nodeAddress, podCidr, serviceCidr, containerdSocket: '', isEnforcingPolicies: true },
    programs: path.dirname(findOnPath('kubectl') ?? ''),
    versions: { kubernetes: kubernetesVersion, kind: kindVersion },
    components: Object.fromEntries(componentNames.map((each) => [each, 'running'])) as ClusterFacts['components'],
  };
  return { name, phase: 'ready', line: 'ready', host: 0, facts };
};

/** Written after kind's documentation; what was tried is the other maker. */
export const kindClusters: ClusterMaker = { start, connect, inspect, remove };
