/** A namespace for one stack's execution pods, made as the Helm chart makes it for processes outside the cluster. */

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  ApiException,
  CoreV1Api,
  KubeConfig,
  KubernetesObjectApi,
  PatchStrategy,
  VersionApi,
  loadAllYaml,
  type KubernetesObject,
} from '@kubernetes/client-node';
import type Docker from 'dockerode';
import { ensureHelm } from './cluster/helm.ts';
import { isAbandoned } from './instanceName.ts';
import type { Report } from './parts.ts';
import { runProgram } from './run.ts';

const chart = path.resolve(import.meta.dirname, '../helm/durable-c2d');
const fieldManager = 'durable-c2d-toolchain';
const tokenSeconds = 24 * 3_600;
const removalPatienceMs = 120_000;
const helmPatienceMs = 60_000;

/** What a stack must know about the cluster that runs its pods. */
export interface StackCluster {
  /** path of a kubeconfig that may do everything */
  readonly kubeconfig: string;
  /** address of this machine that pods reach, if a policy lets them */
  readonly nodeAddress: string;
  /** stricter system call filter that its nodes have for pods; undefined: that of their container runtime */
  readonly seccompProfile?: string | undefined;
  /** Gives the cluster an image of a container engine, unless it has it. @returns the name by which pods get it */
  importImage(docker: Docker, reference: string): Promise<string>;
}

/** How to make one. */
export interface JobsNamespaceOptions {
  readonly cluster: StackCluster;
  /** name of the namespace */
  readonly instance: string;
  /** the one address and port that pods may reach */
  readonly gateway: { readonly address: string; readonly port: number };
  /** further values of the chart, as `--set` takes them */
  readonly values?: readonly string[];
  /** for the orchestrator's kubeconfig */
  readonly folder: string;
  readonly report: Report;
}

/** A namespace that is ready for pods. */
export interface JobsNamespace {
  readonly name: string;
  /** path of the orchestrator's kubeconfig: it has the rights of the chart's service account and no others */
  readonly kubeconfig: string;
  /** Removes it with everything in it; resolves when it is gone. */
  close(): Promise<void>;
}

/** Renders the chart's part for pods, applies it and fetches a token of the orchestrator's service account. */
export const createJobsNamespace = async (options: JobsNamespaceOptions): Promise<JobsNamespace> => {
  const { cluster, instance: name, folder } = options;
  const admin = openKubeconfig(cluster.kubeconfig);
  const core = admin.makeApiClient(CoreV1Api);
  const close = (): Promise<void> => removeNamespace(core, name);
  try {
    const { gitVersion } = await admin.makeApiClient(VersionApi).getCode();
    const objects = await renderChart(options, gitVersion);
    const api = KubernetesObjectApi.makeApiClient(admin);
    // in the chart's order: the namespace comes first
    for (const object of objects) await api.patch(object, undefined, undefined, fieldManager, true, PatchStrategy.ServerSideApply);
    const kubeconfig = path.join(folder, 'orchestrator.kubeconfig');
    const account = orchestratorAccount(objects);
    await writeFile(kubeconfig, await restrictedConfig({ admin, core, namespace: name, account }), { mode: 0o600 });
    return { name, kubeconfig, close };
  } catch (err) {
    await close().catch(() => undefined);
    throw err;
  }
};

/** Removes namespaces of stacks whose process was killed. @returns their names */
export const removeAbandonedNamespaces = async ({ kubeconfig }: Pick<StackCluster, 'kubeconfig'>): Promise<readonly string[]> => {
  const core = openKubeconfig(kubeconfig).makeApiClient(CoreV1Api);
  const { items } = await core.listNamespace();
  const abandoned = items.map(({ metadata }) => metadata?.name ?? '').filter(isAbandoned);
  await Promise.all(abandoned.map((name) => removeNamespace(core, name)));
  return abandoned;
};

const openKubeconfig = (file: string): KubeConfig => {
  const config = new KubeConfig();
  config.loadFromFile(file);
  return config;
};

const renderChart = async (
  { instance, gateway, values = [], report }: JobsNamespaceOptions,
  kubernetesVersion: string,
): Promise<readonly KubernetesObject[]> => {
  const helm = await ensureHelm(report);
  const settings = [
    'processes.enabled=false',
    `jobs.namespace.name=${instance}`,
    `gateway.external.address=${gateway.address}`,
    `gateway.external.port=${gateway.port}`,
    ...values,
  ].flatMap((setting) => ['--set', setting]);
  const args = ['template', instance, chart, '--namespace', instance, '--kube-version', kubernetesVersion, ...settings];
  const text = await runProgram(helm.path, args, { timeoutMs: helmPatienceMs });
  return loadAllYaml(text).filter((object: KubernetesObject | null) => object !== null);
};

/** The one account that the chart binds to rights in the namespace. */
const orchestratorAccount = (objects: readonly KubernetesObject[]): string => {
  const bindings = objects.filter(({ kind }) => kind === 'RoleBinding') as readonly { subjects?: readonly { name: string }[] }[];
  const [account, ...others] = new Set(bindings.flatMap(({ subjects = [] }) => subjects.map(({ name }) => name)));
  if (account === undefined || others.length > 0) throw new Error('the chart gives rights to none or to several accounts, not to one');
  return account;
};

interface RestrictedConfig {
  readonly admin: KubeConfig;
  readonly core: CoreV1Api;
  readonly namespace: string;
  readonly account: string;
}

/** Text of a kubeconfig with the account's rights, for as long as a stack lives at most. */
const restrictedConfig = async ({ admin, core, namespace, account }: RestrictedConfig): Promise<string> => {
  const body = { spec: { audiences: [], expirationSeconds: tokenSeconds } };
  const { status } = await core.createNamespacedServiceAccountToken({ name: account, namespace, body });
  const cluster = admin.getCurrentCluster();
  if (status === undefined || cluster === null) throw new Error(`the cluster gave no token for ${account}`);
  const config = new KubeConfig();
  config.loadFromClusterAndUser(cluster, { name: account, token: String(status.token) });
  return config.exportConfig();
};

const isAbsent = (err: unknown): boolean => err instanceof ApiException && err.code === 404;

const removeNamespace = async (core: CoreV1Api, name: string): Promise<void> => {
  // pods of a stack that ends get no time to publish
  await core.deleteCollectionNamespacedPod({ namespace: name, gracePeriodSeconds: 0 }).catch(ignoreAbsent);
  await core.deleteNamespace({ name }).catch(ignoreAbsent);
  const deadline = performance.now() + removalPatienceMs;
  for (;;) {
    const left = await core.readNamespace({ name }).catch(ignoreAbsent);
    if (left === undefined) return;
    if (performance.now() > deadline) throw new Error(`the namespace ${name} is not gone after ${removalPatienceMs / 1_000} s`);
    await delay(200);
  }
};

const ignoreAbsent = (err: unknown): undefined => {
  if (!isAbsent(err)) throw err;
};
