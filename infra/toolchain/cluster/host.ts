/**
 * The process that holds a cluster: it brings it up, keeps its servers running, enforces its policies, takes orders,
 * and leaves nothing behind when it ends.
 */

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { messageOf } from '../parts.ts';
import {
  fieldsOf,
  openControl,
  type ClusterFacts,
  type ClusterOrder,
  type ClusterPhase,
  type ClusterReport,
  type MissingPartFields,
} from './control.ts';
import type { ComponentName } from './components.ts';
import { keepFailureLogs } from './leftovers.ts';
import { placeOf, type ClusterPlace } from './place.ts';
import { removeTree } from './removeTree.ts';
import { bringUpCluster, type RunningCluster } from './runningCluster.ts';
import { containerdSocket, registriesFolder } from './settings.ts';

/** How the host is started. */
export interface HostOptions {
  readonly name: string;
  readonly isEnforcing: boolean;
  /** ends with its standard input: whoever started it has ended then */
  readonly isOwned: boolean;
}

/** Holds a cluster until it is told to end, its machine goes off, or whoever owns it has ended. */
export const holdCluster = async (options: HostOptions): Promise<void> => {
  const place = placeOf(options.name);
  await mkdir(place.folder, { recursive: true, mode: 0o755 });
  const state: HostState = { phase: 'starting', line: 'starting', isEnforcing: options.isEnforcing };
  const end = Promise.withResolvers<undefined>();
  const server = await openControl(place.controlSocket, (order) => obey(order, place, state, () => end.resolve(undefined)));
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => end.resolve(undefined));
  if (options.isOwned) process.stdin.resume().on('close', () => end.resolve(undefined));
  const report = (line: string): void => {
    state.line = line;
    console.log(`${new Date().toISOString()} ${line}`);
  };
  const starting = bringUpCluster({ place, isEnforcing: options.isEnforcing, report }).then(
    (cluster) => {
      state.cluster = cluster;
      state.phase = 'ready';
      report('ready');
      void cluster.ended.then(() => end.resolve(undefined));
    },
    async (err: unknown) => {
      await keepFailureLogs(place);
      const missing = fieldsOf(err);
      report(messageOf(err));
      if (missing === undefined) console.error(err);
      Object.assign(state, { phase: 'failed', missing });
    },
  );
  await end.promise;
  state.phase = 'closing';
  await starting;
  await state.cluster?.close().catch((err: unknown) => console.error(err));
  await removeTree(place.folder);
  server.close();
};

interface HostState {
  phase: ClusterPhase;
  line: string;
  missing?: MissingPartFields;
  isEnforcing: boolean;
  cluster?: RunningCluster;
}

const obey = async (order: ClusterOrder, place: ClusterPlace, state: HostState, end: () => void): Promise<unknown> => {
  if (order.order === 'report') return describe(place, state);
  if (order.order === 'close') return end();
  const { cluster } = state;
  if (cluster === undefined) throw new Error(`the cluster ${place.name} is not ready`);
  switch (order.order) {
    case 'stop':
      return cluster.components[order.component].stop('SIGTERM');
    case 'kill':
      return cluster.components[order.component].stop('SIGKILL');
    case 'start':
      return cluster.components[order.component].start();
    case 'enforce':
      await cluster.policies.setEnforcing(order.isEnforcing);
      state.isEnforcing = order.isEnforcing;
      return undefined;
    case 'trustRegistry':
      return trustRegistry(place.folder, order.registry);
    default:
      return order satisfies never;
  }
};

/** From now on the node pulls from that registry over plain HTTP. */
const trustRegistry = async (folder: string, registry: string): Promise<void> => {
  if (!/^[a-z0-9.-]+:\d+$/.test(registry)) throw new RangeError(`${registry} is no host and port`);
  const settings = path.join(registriesFolder(folder), registry);
  await mkdir(settings, { recursive: true });
  await writeFile(
    path.join(settings, 'hosts.toml'),
    `server = "http://${registry}"\n[host."http://${registry}"]\n  capabilities = ["pull", "resolve"]\n`,
  );
};

const describe = ({ name, folder }: ClusterPlace, { phase, line, missing, isEnforcing, cluster }: HostState): ClusterReport => ({
  name,
  phase,
  line,
  ...(missing !== undefined && { missing }),
  host: process.pid,
  ...(cluster !== undefined && { facts: listFacts(folder, cluster, isEnforcing) }),
});

const listFacts = (folder: string, { plan, versions, components, programs }: RunningCluster, isEnforcing: boolean): ClusterFacts => ({
  kubeconfig: plan.credentials.kubeconfigs.admin,
  nodeAddress: plan.addresses.host,
  podCidr: plan.addresses.podCidr,
  serviceCidr: plan.addresses.serviceCidr,
  seccompProfile: plan.seccompProfile,
  programs,
  containerdSocket: containerdSocket(folder),
  versions,
  components: Object.fromEntries(
    Object.values(components).map((component) => [component.name, component.isRunning() ? 'running' : 'stopped']),
  ) as Record<ComponentName, 'running' | 'stopped'>,
  isEnforcingPolicies: isEnforcing,
});
