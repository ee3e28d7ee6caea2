/** Clusters of our own: a node in namespaces of this machine, held by a process of its own. */

import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { withLock } from '../cache.ts';
import { MissingPart, type Report } from '../parts.ts';
import { readTail } from '../program.ts';
import { runProgram } from '../run.ts';
import type { Cluster, ClusterComponent, ClusterMaker, ClusterOptions } from './contract.ts';
import { askForReport, giveOrder, type ClusterFacts, type ClusterOrder, type ClusterReport } from './control.ts';
import type { ComponentName } from './components.ts';
import { importFromEngine } from './images.ts';
import { removeLeftovers } from './leftovers.ts';
import { placeOf, type ClusterPlace } from './place.ts';
import { auditLog } from './settings.ts';

const pollMs = 50;
const closePatienceMs = 60_000;
const kubectlPatienceMs = 120_000;

const start = async (options: ClusterOptions): Promise<Cluster> => {
  const place = placeOf(options.name);
  if ((await askForReport(place.controlSocket)) !== undefined)
    throw new Error(`there is a cluster ${options.name} already: take it down first, or use another name`);
  await removeLeftovers(place);
  const host = startHost(place, options);
  const facts = await untilReady(place, host, options.report ?? (() => undefined));
  return describeCluster(place, facts);
};

const connect = async (name: string): Promise<Cluster | undefined> => {
  const place = placeOf(name);
  const report = await askForReport(place.controlSocket);
  return report?.phase === 'ready' && report.facts !== undefined ? describeCluster(place, report.facts) : undefined;
};

const remove = async (name: string): Promise<boolean> => {
  const place = placeOf(name);
  const report = await askForReport(place.controlSocket);
  if (report !== undefined) await closeHost(place, report.host);
  // also what a killed one has left
  return (await removeLeftovers(place)) || report !== undefined;
};

/** Needs root; every failure can be had on demand. */
export const ownClusters: ClusterMaker = { start, connect, inspect: (name) => askForReport(placeOf(name).controlSocket), remove };

const startHost = (place: ClusterPlace, { name, isEnforcingPolicies = true, isDetached = false }: ClusterOptions): ChildProcess => {
  mkdirSync(place.folder, { recursive: true, mode: 0o755 });
  const log = openSync(place.hostLog, 'w');
  const main = path.join(import.meta.dirname, '..', 'main.ts');
  const flags = [...(isEnforcingPolicies ? [] : ['--no-policies']), ...(isDetached ? [] : ['--owned'])];
  const host = spawn(process.execPath, [main, 'cluster', 'hold', '--name', name, ...flags], {
    detached: true,
    stdio: [isDetached ? 'ignore' : 'pipe', log, log],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  closeSync(log);
  // it must not keep us from ending: it ends with us
  host.unref();
  (host.stdin as { unref?(): void } | null)?.unref?.();
  return host;
};

const untilReady = async (place: ClusterPlace, host: ChildProcess, report: Report): Promise<ClusterFacts> => {
  let last = '';
  for (;;) {
    const state = await askForReport(place.controlSocket);
    if (state !== undefined && state.line !== last) report((last = state.line));
    if (state?.phase === 'ready' && state.facts !== undefined) return state.facts;
    if (state?.phase === 'failed') {
      await closeHost(place, state.host);
      throw describeFailure(place, state);
    }
    if (host.exitCode !== null || host.signalCode !== null) throw new Error(`the cluster's host ended: ${readTail(place.hostLog)}`);
    await delay(pollMs);
  }
};

const describeFailure = ({ failureLogs }: ClusterPlace, { line, missing }: ClusterReport): Error =>
  missing === undefined
    ? new Error(`the cluster did not come up: ${line} (logs: ${failureLogs})`)
    : new MissingPart(missing.part, missing.reason, missing.remedy);

/** Asks the host to end, by force after a while, and waits until it has. */
const closeHost = async ({ controlSocket, name }: ClusterPlace, host: number): Promise<void> => {
  await giveOrder(controlSocket, { order: 'close' }).catch(() => undefined);
  const deadline = performance.now() + closePatienceMs;
  while (isAlive(host)) {
    // its machine goes with it
    if (performance.now() > deadline) process.kill(host, 'SIGKILL');
    if (performance.now() > deadline + 5_000) throw new Error(`the host of the cluster ${name} (process ${host}) does not end`);
    await delay(pollMs);
  }
};

const isAlive = (pid: number): boolean => {
  try {
    // one that nobody has collected yet has ended, too
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

const describeCluster = (place: ClusterPlace, facts: ClusterFacts): Cluster => {
  const give = async (order: ClusterOrder): Promise<void> => {
    await giveOrder(place.controlSocket, order);
  };
  const component = (name: ComponentName): ClusterComponent => ({
    stop: () => give({ order: 'stop', component: name }),
    kill: () => give({ order: 'kill', component: name }),
    start: () => give({ order: 'start', component: name }),
    restart: async () => {
      await give({ order: 'stop', component: name });
      await give({ order: 'start', component: name });
    },
  });
  return {
    name: place.name,
    kubeconfig: facts.kubeconfig,
    nodeAddress: facts.nodeAddress,
    podCidr: facts.podCidr,
    serviceCidr: facts.serviceCidr,
    seccompProfile: facts.seccompProfile,
    auditLog: auditLog(place.folder),
    kubelet: component('kubelet'),
    apiServer: component('apiServer'),
    etcd: component('etcd'),
    containerd: component('containerd'),
    importImage: (docker, reference) => withLock(`import-${place.name}`, () => importFromEngine(facts.containerdSocket, docker, reference)),
    trustRegistry: (registry) => give({ order: 'trustRegistry', registry }),
    setPolicyEnforcement: (isEnforcing) => give({ order: 'enforce', isEnforcing }),
    kubectl: (args) =>
      runProgram(path.join(facts.programs, 'kubectl'), ['--kubeconfig', facts.kubeconfig, ...args], { timeoutMs: kubectlPatienceMs }),
    close: async () => {
      await remove(place.name);
    },
  };
};
