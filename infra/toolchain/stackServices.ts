/** The three processes of a stack, and several of those that may be several. */

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { computeAddress } from 'ethers';
import { callRpc } from './chain/anvil.ts';
import { settleAll, type Cleanups } from './cleanups.ts';
import { startGatewayFront } from './gatewayFront.ts';
import type { Report } from './parts.ts';
import { findFreePorts } from './program.ts';
import type { Restartable } from './restartable.ts';
import { serviceEnvironment, type EnvironmentSettings, type RuntimePlaces, type ServiceName } from './serviceEnvironment.ts';
import { readServiceKeys } from './serviceKeys.ts';
import { startService } from './serviceProcess.ts';
import type { StackParts } from './stackParts.ts';
import type { StackPods } from './stackPods.ts';

/** How many of a process there are; default: one of each. */
export type Replicas = Readonly<Partial<Record<Exclude<ServiceName, 'api'>, number>>>;

/** What they are started with. */
export interface StackServicesOptions {
  readonly parts: StackParts;
  readonly pods: StackPods;
  readonly folder: string;
  readonly instance: string;
  readonly environments: readonly EnvironmentSettings[];
  /** further environment variables of all of them */
  readonly env: Readonly<Record<string, string>>;
  readonly replicas: Replicas;
  readonly cleanups: Cleanups;
  readonly report: Report;
}

/** The running processes. */
export interface StackServices {
  readonly apiUrl: string;
  readonly storageFolder: string;
  /** the first of each kind */
  readonly processes: Readonly<Record<ServiceName, Restartable>>;
  /** all of them */
  readonly replicas: Readonly<Record<ServiceName, readonly Restartable[]>>;
}

/** Starts all of them at once and resolves when each is ready. Their ends are in `cleanups`, also after a failure. */
export const startServices = async (options: StackServicesOptions): Promise<StackServices> => {
  const { folder, env, replicas, cleanups, report } = options;
  const storageFolder = path.join(folder, 'storage');
  await mkdir(storageFolder, { recursive: true, mode: 0o700 });
  const { orchestrator = 1, gateway = 1 } = replicas;
  const [apiPort = 0, ...healthPorts] = await findFreePorts(2 + orchestrator + gateway);
  const runtimes = await placeGateways(options);
  const environmentOf = await describeServices(options, { storageFolder, apiPort });
  report('starting api, orchestrator and gateway');
  const start = async (name: ServiceName, index: number): Promise<Restartable> => {
    const healthPort = healthPorts.pop() ?? 0;
    const environment = environmentOf(name, runtimes[index] ?? options.pods.runtime, healthPort);
    const startedAt = performance.now();
    const logFile = path.join(folder, 'logs', `${name}${index === 0 ? '' : `-${index + 1}`}.log`);
    const healthUrl = `http://127.0.0.1:${healthPort}`;
    const service = cleanups.own(await startService({ name, env: { ...environment, ...env }, healthUrl, logFile }));
    report(`${name} is ready (${((performance.now() - startedAt) / 1_000).toFixed(1)} s)`);
    return service;
  };
  const startAll = async (name: ServiceName, count: number): Promise<readonly Restartable[]> =>
    Object.values(await settleAll(Object.fromEntries(Array.from({ length: count }, (_, index) => [index, start(name, index)]))));
  const started = await settleAll({
    api: startAll('api', 1),
    orchestrator: startAll('orchestrator', orchestrator),
    gateway: startAll('gateway', gateway),
  });
  const processes = { api: firstOf(started.api), orchestrator: firstOf(started.orchestrator), gateway: firstOf(started.gateway) };
  return { apiUrl: `http://127.0.0.1:${apiPort}`, storageFolder, processes, replicas: started };
};

const firstOf = ([first]: readonly Restartable[]): Restartable => {
  if (first === undefined) throw new RangeError('a stack has one process of each kind at least');
  return first;
};

/** Where each gateway listens. Several are behind the one address that policies let pods reach. */
const placeGateways = async ({ pods, replicas, cleanups }: StackServicesOptions): Promise<readonly RuntimePlaces[]> => {
  const { runtime } = pods;
  const { gateway: count = 1 } = replicas;
  if (count === 1) return [runtime];
  if (runtime.kind === 'docker')
    throw new RangeError('pods of a container engine meet one gateway only: start more of them with a cluster');
  const { host, port } = runtime.gateway;
  const ports = await findFreePorts(2 * count, host);
  const listenPorts = ports.slice(0, count);
  cleanups.own(await startGatewayFront({ host, port, backends: listenPorts }));
  return listenPorts.map((listenPort, index) => {
    const canaryPort = ports[count + index] ?? 0;
    return { ...runtime, gateway: { ...runtime.gateway, listenPort, canaryPort } };
  });
};

type EnvironmentOf = (name: ServiceName, runtime: RuntimePlaces, healthPort: number) => Readonly<Record<string, string>>;

/** @returns what tells the environment of one more process of a kind */
const describeServices = async (
  { parts, pods, folder, instance, environments }: StackServicesOptions,
  places: { readonly storageFolder: string; readonly apiPort: number },
): Promise<EnvironmentOf> => {
  const keys = await readServiceKeys(folder);
  await giveGas(parts.chain.rpcUrl, keys.providerPrivateKey);
  return (name, runtime, healthPort) =>
    serviceEnvironment({
      databaseUrl: parts.database.url,
      temporalAddress: parts.temporal.address,
      temporalNamespace: parts.temporal.namespace,
      chain: parts.chain,
      ...{ environments, keys, runtime, instance, ...places },
      agentImage: pods.agentImage,
      workflowBundle: parts.workflowBundle,
      healthPorts: { api: healthPort, orchestrator: healthPort, gateway: healthPort },
    })[name];
};

const tenEther = `0x${(10n ** 19n).toString(16)}`;

/** The service sends transactions of its own, and client libraries pay only to an address that has something. */
const giveGas = async (rpcUrl: string, privateKey: string): Promise<void> => {
  await callRpc(rpcUrl, [{ method: 'anvil_setBalance', params: [computeAddress(privateKey), tenEther] }]);
};
