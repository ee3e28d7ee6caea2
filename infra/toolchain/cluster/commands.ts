/** `npm run cluster -- up | down | status | reset`. */

import { setTimeout as delay } from 'node:timers/promises';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { connectCluster, inspectCluster, removeCluster, startCluster } from './cluster.ts';
import type { ClusterReport } from './control.ts';

/** Options that every command takes. */
export interface ClusterCommandOptions {
  readonly name: string;
  readonly json: boolean;
}

/** Brings a cluster up that stays. One that is up already is only shown. */
export const bringClusterUp = async ({ name, json, policies }: ClusterCommandOptions & { readonly policies: boolean }): Promise<void> => {
  const began = performance.now();
  if ((await inspectCluster(name))?.phase !== 'ready') {
    const cluster = await startCluster({ name, isEnforcingPolicies: policies, isDetached: true, report: (line) => console.error(line) });
    console.error(`cluster ${cluster.name} is up after ${Math.round((performance.now() - began) / 1_000)} s`);
  }
  await showCluster({ name, json });
};

/** Takes a cluster down. */
export const takeClusterDown = async ({ name, json }: ClusterCommandOptions): Promise<void> => {
  const wasThere = await removeCluster(name);
  console.log(json ? JSON.stringify({ name, removed: wasThere }) : wasThere ? `cluster ${name} is down` : `there is no cluster ${name}`);
};

/** Shows a cluster. The exit code is 1 if it is not ready. */
export const showCluster = async ({ name, json }: ClusterCommandOptions): Promise<void> => {
  const report = await inspectCluster(name);
  if (report?.phase !== 'ready') process.exitCode = 1;
  console.log(json ? JSON.stringify({ name, phase: report?.phase ?? 'absent', ...report?.facts }, null, 2) : renderReport(name, report));
};

/** The report as lines for people. */
export const renderReport = (name: string, report: ClusterReport | undefined): string => {
  if (report === undefined) return `There is no cluster ${name}. Start it with: npm run cluster -- up --name ${name}`;
  const { phase, line, facts } = report;
  if (facts === undefined) return `cluster ${name} is ${phase}: ${line}`;
  const versions = Object.entries(facts.versions).map(([part, version]) => `${part} ${version}`);
  const stopped = Object.entries(facts.components).flatMap(([component, state]) => (state === 'stopped' ? [component] : []));
  return [
    `cluster       ${name} is ${phase}${stopped.length === 0 ? '' : `; stopped: ${stopped.join(', ')}`}`,
    `versions      ${versions.join(', ')}`,
    `kubeconfig    ${facts.kubeconfig}`,
    `kubectl       ${facts.programs}/kubectl --kubeconfig ${facts.kubeconfig}`,
    `this machine  ${facts.nodeAddress}, as pods see it`,
    `networks      pods ${facts.podCidr}, services ${facts.serviceCidr}`,
    `policies      ${facts.isEnforcingPolicies ? 'enforced' : 'NOT enforced'}`,
  ].join('\n');
};

const ownNamespaces: readonly string[] = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];
const resetPatienceMs = 120_000;

/** Removes all namespaces that are not the cluster's own, and waits until they are gone. */
export const resetCluster = async ({ name, json }: ClusterCommandOptions): Promise<void> => {
  const config = new KubeConfig();
  config.loadFromFile((await connectCluster(name)).kubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  const listOthers = async (): Promise<readonly string[]> =>
    (await core.listNamespace()).items
      .map(({ metadata }) => metadata?.name ?? '')
      .filter((namespace) => !ownNamespaces.includes(namespace));
  const removed = await listOthers();
  await Promise.all(removed.map((namespace) => core.deleteNamespace({ name: namespace })));
  const deadline = performance.now() + resetPatienceMs;
  for (let left = removed; left.length > 0; left = await listOthers()) {
    if (performance.now() > deadline) throw new Error(`these namespaces do not go away: ${left.join(', ')}`);
    await delay(200);
  }
  console.log(json ? JSON.stringify({ name, removed }) : `removed ${removed.length} namespaces of the cluster ${name}`);
};
