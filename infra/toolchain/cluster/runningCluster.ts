/** A whole cluster, brought up step by step inside its machine. Runs in the cluster's host process. */

import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AppsV1Api, CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { ensureBusybox } from '../busybox.ts';
import { createCleanups, type Cleanups } from '../cleanups.ts';
import type { Report } from '../parts.ts';
import { findOnPath, runProgram } from '../run.ts';
import { findDefaultProfile, writeNodeProfile } from '../seccompProfile.ts';
import { listAddons } from './addons.ts';
import { createComponents, type ComponentName } from './components.ts';
import type { Component } from './component.ts';
import { createControlGroup, removeControlGroup } from './controlGroup.ts';
import { makeCredentials, nodeName } from './credentials.ts';
import { importArchive } from './images.ts';
import { ensureCoreDns } from './coreDns.ts';
import { ensureKubernetes } from './kubernetesPrograms.ts';
import { startMachine, type Machine } from './machine.ts';
import { ensureNodePrograms, findPluginFolder } from './nodePrograms.ts';
import type { ClusterPlace } from './place.ts';
import { startEnforcer, type PolicyEnforcer } from './policies/enforcer.ts';
import { installPlugin } from './policies/questions.ts';
import { startProvisioner } from './provisioner.ts';
import { writeScratchImage } from './scratchImage.ts';
import {
  auditPolicy,
  containerdConfiguration,
  containerdSocket,
  kubeletConfiguration,
  networkPlugins,
  proxyConfiguration,
  registriesFolder,
  type ClusterPlan,
} from './settings.ts';

/** What the host serves. */
export interface RunningCluster {
  readonly plan: ClusterPlan;
  /** folder with the programs of Kubernetes */
  readonly programs: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly components: Readonly<Record<ComponentName, Component>>;
  readonly policies: PolicyEnforcer;
  /** resolves when the machine has gone */
  readonly ended: Promise<unknown>;
  close(): Promise<void>;
}

/** How it is brought up. */
export interface BringUpOptions {
  readonly place: ClusterPlace;
  readonly isEnforcing: boolean;
  readonly report: Report;
}

const pauseImage = 'durable-c2d/pause:1';
const readyPatienceMs = 120_000;

/**
 * Brings a cluster up; its node is ready and its name server answers.
 * @throws MissingPart if the machine cannot carry one; after any failure nothing of it is left
 */
export const bringUpCluster = async (options: BringUpOptions): Promise<RunningCluster> => {
  const cleanups = createCleanups();
  try {
    return await bringUp(options, cleanups);
  } catch (err) {
    await cleanups.run().catch(() => undefined);
    throw err;
  }
};

const bringUp = async (options: BringUpOptions, cleanups: Cleanups): Promise<RunningCluster> => {
  const { place, report } = options;
  const parts = await ensureParts(report);
  report('starting the node');
  await createControlGroup(place.controlGroup);
  cleanups.add(() => removeControlGroup(place.controlGroup));
  const machine = cleanups.own(await startMachine(place.folder));
  const plan = await writePlan(place, machine);
  const images = await makeImages(place, parts);
  const components = createComponents({ machine, plan, kubernetes: parts.kubernetes.path, report });
  await startServers(components, images, plan);
  const config = new KubeConfig();
  config.loadFromFile(plan.credentials.kubeconfigs.admin);
  const policies = cleanups.own(await enforce(options, machine, plan, config));
  cleanups.own(await startProvisioner(config, path.join(place.folder, 'var-lib', 'volumes'), report));
  report('waiting for the node and the name server');
  await Promise.all([components.kubelet.start(), components.proxy.start(), applyAddons(parts.kubernetes.path, plan, images.coreDns)]);
  await untilReady(config);
  return {
    plan,
    programs: parts.kubernetes.path,
    versions: {
      kubernetes: parts.kubernetes.version,
      containerd: parts.node.version.replace('containerd ', ''),
      coredns: parts.coreDns.version,
    },
    components,
    policies,
    ended: machine.ended,
    close: () => cleanups.run(),
  };
};

const ensureParts = async (report: Report) => {
  const node = await ensureNodePrograms(report);
  const kubernetes = await ensureKubernetes(report);
  const coreDns = await ensureCoreDns(report);
  return { node, kubernetes, coreDns, busybox: await ensureBusybox(report) };
};

type Parts = Awaited<ReturnType<typeof ensureParts>>;

/** Writes every file that a server reads. */
const writePlan = async ({ folder, controlGroup }: ClusterPlace, machine: Machine): Promise<ClusterPlan> => {
  const { addresses } = machine;
  const pluginFolder = path.join(folder, 'plugins');
  const credentials = await makeCredentials(path.join(folder, 'credentials'), addresses);
  const seccompProfile = await writeSeccompProfile(path.join(folder, 'var-lib', 'kubelet', 'seccomp'));
  const image = `docker.io/${pauseImage}`;
  const plan: ClusterPlan = { folder, addresses, credentials, controlGroup, pauseImage: image, pluginFolder, seccompProfile };
  for (const name of ['network', 'policies', 'plugins']) await mkdir(path.join(folder, name), { recursive: true });
  await mkdir(registriesFolder(folder), { recursive: true });
  for (const plugin of ['ptp', 'host-local', 'loopback'])
    await symlink(path.join(findPluginFolder() ?? '', plugin), path.join(pluginFolder, plugin));
  await installPlugin(pluginFolder, path.join(folder, 'policies'));
  await writeFile(path.join(folder, 'containerd.toml'), containerdConfiguration(plan));
  await writeFile(path.join(folder, 'kubelet.json'), JSON.stringify(kubeletConfiguration(plan)));
  await writeFile(path.join(folder, 'audit.json'), JSON.stringify(auditPolicy));
  await writeFile(path.join(folder, 'proxy.json'), JSON.stringify(proxyConfiguration(plan)));
  await writeFile(path.join(folder, 'network', '10-c2d.conflist'), JSON.stringify(networkPlugins(plan)));
  return plan;
};

/** That of containerd before 1.7 lets pods talk to the host of a virtual machine, past every policy. */
const writeSeccompProfile = async (kubeletFolder: string): Promise<string | undefined> => {
  const source = findDefaultProfile();
  const { arch } = process;
  if (source === undefined || (arch !== 'x64' && arch !== 'arm64')) return undefined;
  await mkdir(kubeletFolder, { recursive: true });
  await writeNodeProfile(source, path.join(kubeletFolder, 'durable-c2d.json'), arch);
  return 'durable-c2d.json';
};

interface SystemImages {
  readonly archives: readonly string[];
  readonly coreDns: string;
}

const makeImages = async ({ folder }: ClusterPlace, { busybox, coreDns }: Parts): Promise<SystemImages> => {
  const [pause, names] = [path.join(folder, 'pause.tar'), path.join(folder, 'coredns.tar')];
  const coreDnsImage = `durable-c2d/coredns:${coreDns.version}`;
  await Promise.all([
    // busybox as the first process of a pod: it only has to stay
    writeScratchImage(
      { reference: pauseImage, programs: { '/bin/busybox': busybox.path }, entrypoint: ['/bin/busybox', 'sleep', '2147483647'] },
      pause,
    ),
    writeScratchImage({ reference: coreDnsImage, programs: { '/coredns': coreDns.path }, entrypoint: ['/coredns'] }, names),
  ]);
  return { archives: [pause, names], coreDns: `docker.io/${coreDnsImage}` };
};

const startServers = async (
  components: RunningCluster['components'],
  { archives }: SystemImages,
  { folder }: ClusterPlan,
): Promise<void> => {
  const control = async (): Promise<void> => {
    await components.etcd.start();
    await components.apiServer.start();
    await Promise.all([components.controllerManager.start(), components.scheduler.start()]);
  };
  const runtime = async (): Promise<void> => {
    await components.containerd.start();
    for (const archive of archives) {
      await importArchive(containerdSocket(folder), archive);
      await rm(archive);
    }
  };
  await Promise.all([control(), runtime()]);
};

const enforce = (
  { isEnforcing, report }: BringUpOptions,
  machine: Machine,
  { folder, addresses }: ClusterPlan,
  config: KubeConfig,
): Promise<PolicyEnforcer> => {
  const file = path.join(folder, 'policies.nft');
  const nft = findOnPath('nft') ?? 'nft';
  let present = '';
  const apply = async (ruleset: string): Promise<void> => {
    if (ruleset === present) return;
    await writeFile(file, ruleset);
    await machine.run(nft, ['-f', file]);
    present = ruleset;
  };
  const deps = { config, podCidr: addresses.podCidr, questionFolder: path.join(folder, 'policies'), apply, onProblem: report };
  return startEnforcer(deps, isEnforcing);
};

const applyAddons = async (kubernetes: string, { folder, addresses, credentials }: ClusterPlan, coreDnsImage: string): Promise<void> => {
  const file = path.join(folder, 'addons.json');
  await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: listAddons(addresses.dns, coreDnsImage) }));
  await runProgram(
    path.join(kubernetes, 'kubectl'),
    ['--kubeconfig', credentials.kubeconfigs.admin, 'apply', '--server-side', '-f', file],
    { timeoutMs: 60_000 },
  );
};

const untilReady = async (config: KubeConfig): Promise<void> => {
  const [core, apps] = [config.makeApiClient(CoreV1Api), config.makeApiClient(AppsV1Api)];
  const deadline = performance.now() + readyPatienceMs;
  for (;;) {
    const problem = await Promise.all([
      core
        .readNode({ name: nodeName })
        .then(({ status }) => status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')),
      apps.readNamespacedDeployment({ name: 'coredns', namespace: 'kube-system' }).then(({ status }) => (status?.readyReplicas ?? 0) > 0),
      core.readNamespacedServiceAccount({ name: 'default', namespace: 'default' }).then(() => true),
    ]).then(
      ([isNodeReady, doNamesAnswer]) =>
        isNodeReady !== true ? 'the node is not ready' : doNamesAnswer ? undefined : 'the name server is not ready',
      (err: unknown) => String(err),
    );
    if (problem === undefined) return;
    if (performance.now() > deadline) throw new Error(`the cluster is not ready after ${readyPatienceMs / 1_000} s: ${problem}`);
    await delay(100);
  }
};
