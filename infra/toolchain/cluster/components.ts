/** The servers of a cluster in its machine, and how each shows that it serves. */

import { get as getPlain, type IncomingMessage } from 'node:http';
import { get as getSecure } from 'node:https';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Report } from '../parts.ts';
import { waitUntilReady, type Program } from '../program.ts';
import { findOnPath, runProgram } from '../run.ts';
import { createComponent, type Component } from './component.ts';
import type { KubernetesProgram } from './kubernetesPrograms.ts';
import type { Machine } from './machine.ts';
import {
  apiServerArguments,
  containerdSocket,
  controllerManagerArguments,
  etcdArguments,
  kubeletArguments,
  proxyArguments,
  schedulerArguments,
  type ClusterPlan,
} from './settings.ts';

/** Names of the servers, as `status` shows them. */
export const componentNames = ['etcd', 'apiServer', 'controllerManager', 'scheduler', 'containerd', 'kubelet', 'proxy'] as const;

/** One of them. */
export type ComponentName = (typeof componentNames)[number];

/** What the servers are made of. */
export interface ComponentsDeps {
  readonly machine: Machine;
  readonly plan: ClusterPlan;
  /** folder with the programs of Kubernetes */
  readonly kubernetes: string;
  readonly report: Report;
}

const readyPatienceMs = 90_000;

/** All servers, none of them running yet. */
export const createComponents = ({ machine, plan, kubernetes, report }: ComponentsDeps): Readonly<Record<ComponentName, Component>> => {
  const { node } = plan.addresses;
  const launcher = (name: ComponentName, file: string, args: readonly string[], check: () => Promise<void>): Component =>
    createComponent(
      name,
      () => launch({ machine, name, file, args, check, logFile: path.join(plan.folder, 'logs', `${name}.log`) }),
      report,
    );
  const ours = (program: KubernetesProgram): string => path.join(kubernetes, program);
  const socket = containerdSocket(plan.folder);
  return {
    etcd: launcher('etcd', system('etcd'), etcdArguments(plan), () => probe(`http://${node}:2381/health`)),
    apiServer: launcher('apiServer', ours('kube-apiserver'), apiServerArguments(plan), () =>
      probe(`https://${node}:6443/readyz`, plan.credentials.authority),
    ),
    controllerManager: launcher('controllerManager', ours('kube-controller-manager'), controllerManagerArguments(plan), isAtWork),
    scheduler: launcher('scheduler', ours('kube-scheduler'), schedulerArguments(plan), isAtWork),
    containerd: launcher('containerd', system('containerd'), ['--config', path.join(plan.folder, 'containerd.toml')], async () => {
      await runProgram(system('ctr'), ['--address', socket, 'version'], { timeoutMs: 5_000 });
    }),
    kubelet: launcher('kubelet', ours('kubelet'), kubeletArguments(plan), () => probe(`http://${node}:10248/healthz`)),
    proxy: launcher('proxy', ours('kube-proxy'), proxyArguments(plan), isAtWork),
  };
};

/** A file that `ensureNodePrograms` has seen. */
const system = (name: string): string => findOnPath(name) ?? name;

/** What has no address of its own shows by the cluster's behaviour that it works. */
const isAtWork = async (): Promise<void> => undefined;

interface Launch {
  readonly machine: Machine;
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly check: () => Promise<void>;
  readonly logFile: string;
}

const launch = async ({ machine, name, file, args, check, logFile }: Launch): Promise<Program> => {
  const program = await machine.start({ name, file, args, logFile });
  try {
    await waitUntilReady(program, check, { patienceMs: readyPatienceMs, logFile });
    return program;
  } catch (err) {
    await program.close();
    throw err;
  }
};

/** @param authority file with the certificate that the server's must be signed by */
const probe = (url: string, authority?: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const take = (response: IncomingMessage): void => {
      response.resume();
      if (response.statusCode === 200) resolve();
      else reject(new Error(`it answers ${response.statusCode ?? 'nothing'}`));
    };
    const options = { timeout: 2_000, agent: false } as const;
    const request =
      authority === undefined ? getPlain(url, options, take) : getSecure(url, { ...options, ca: readFileSync(authority) }, take);
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', reject);
  });
