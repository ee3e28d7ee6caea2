/** A real Kubernetes cluster of one node on this machine, for tests and development. */

import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type Docker from 'dockerode';
import { withLock } from '../cache.ts';
import { MissingPart, type Report } from '../parts.ts';
import { readTail } from '../program.ts';
import { runProgram } from '../run.ts';
import { askForReport, giveOrder, type ClusterFacts, type ClusterOrder, type ClusterReport } from './control.ts';
import type { ComponentName } from './components.ts';
import { importFromEngine } from './images.ts';
import { removeLeftovers } from './leftovers.ts';
import { placeOf, type ClusterPlace } from './place.ts';

/** One server of a cluster, whatever process serves it now. */
export interface ClusterComponent {
  /** Ends it and leaves it down. */
  stop(): Promise<void>;
  /** Ends it by SIGKILL and leaves it down. */
  kill(): Promise<void>;
  /** Starts it if it is down; resolves when it serves. */
  start(): Promise<void>;
  /** Ends it gracefully and starts it again; resolves when it serves. */
  restart(): Promise<void>;
}

/** A cluster that is up. */
export interface Cluster {
  readonly name: string;
  /** file that makes its reader the administrator */
  readonly kubeconfig: string;
  /** address of this machine that the cluster's pods can reach, policies permitting; nobody else can */
  readonly nodeAddress: string;
  readonly podCidr: string;
  readonly serviceCidr: string;
  readonly kubelet: ClusterComponent;
  readonly apiServer: ClusterComponent;
  readonly etcd: ClusterComponent;
  readonly containerd: ClusterComponent;
  /**
   * Copies an image of a container engine to the node, unless it is there already.
   * @returns the name by which pods get it, with `imagePullPolicy` `IfNotPresent`
   */
  importImage(docker: Docker, reference: string): Promise<string>;
  /** Has the node pull over plain HTTP from that host and port, such as one on `nodeAddress`. */
  trustRegistry(hostAndPort: string): Promise<void>;
  /** Whether network policies count. Resolves when that is so. */
  setPolicyEnforcement(isEnforcing: boolean): Promise<void>;
  /** Runs kubectl as administrator. @returns what it wrote to stdout */
  kubectl(args: readonly string[]): Promise<string>;
  /** Takes the cluster down and leaves nothing of it, whoever started it. */
  close(): Promise<void>;
}

/** How a cluster is started. */
export interface ClusterOptions {
  /** at most 32 small letters, digits and dashes */
  readonly name: string;
  /** whether network policies count from the beginning; default true */
  readonly isEnforcingPolicies?: boolean;
  /** true: it stays when we end; default: it goes down with us, also when we are killed */
  readonly isDetached?: boolean;
  readonly report?: Report;
}

const pollMs = 50;
const closePatienceMs = 60_000;
const kubectlPatienceMs = 120_000;

/**
 * Starts a cluster of a name that has none; resolves when its node is ready and its name server answers.
 * @throws MissingPart if this machine cannot carry one; Error if there is one of that name already
 */
export const startCluster = async (options: ClusterOptions): Promise<Cluster> => {
  const place = placeOf(options.name);
  const { report = () => undefined } = options;
  return withLock(
    `cluster-${options.name}`,
    async () => {
      if ((await askForReport(place.controlSocket)) !== undefined)
        throw new Error(`there is a cluster ${options.name} already: take it down first, or use another name`);
      await removeLeftovers(place);
      const host = startHost(place, options);
      const facts = await untilReady(place, host, report);
      if (options.isDetached === true) host.unref();
      return describeCluster(place, facts);
    },
    report,
  );
};

/**
 * A cluster that somebody has started.
 * @throws Error if there is none of that name, or it is not ready
 */
export const connectCluster = async (name: string): Promise<Cluster> => {
  const place = placeOf(name);
  const report = await askForReport(place.controlSocket);
  if (report?.facts === undefined || report.phase !== 'ready')
    throw new Error(`there is no cluster ${name}: start it with npm run cluster -- up --name ${name}`);
  return describeCluster(place, report.facts);
};

/** What is known about the cluster of that name, undefined if there is none. */
export const inspectCluster = (name: string): Promise<ClusterReport | undefined> => askForReport(placeOf(name).controlSocket);

/** Takes the cluster of that name down, or what a killed one has left. @returns false if there was nothing */
export const removeCluster = async (name: string): Promise<boolean> => {
  const place = placeOf(name);
  const report = await askForReport(place.controlSocket);
  if (report !== undefined) await closeHost(place, report.host);
  return (await removeLeftovers(place)) || report !== undefined;
};

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
      await removeCluster(place.name);
    },
  };
};
