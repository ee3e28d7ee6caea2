/** Where a stack's execution pods run: on the container engine, or in a namespace of a cluster. */

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Cleanups } from './cleanups.ts';
import { createJobsNamespace, removeAbandonedNamespaces, type StackCluster } from './jobsNamespace.ts';
import type { Report } from './parts.ts';
import { findFreePorts } from './program.ts';
import type { RuntimePlaces } from './serviceEnvironment.ts';
import type { StackParts } from './stackParts.ts';

/** Where a stack's execution pods are, and how its administrator gets there. */
export type PodsPlace =
  | { readonly kind: 'docker'; readonly socketPath: string }
  | { readonly kind: 'kubernetes'; readonly kubeconfig: string; readonly namespace: string };

/** What decides about the place. */
export interface StackPodsOptions {
  readonly engine: StackParts['engine'];
  /** absent: the container engine runs the pods */
  readonly cluster: StackCluster | undefined;
  readonly folder: string;
  readonly instance: string;
  /** further values of the chart, as `--set` takes them */
  readonly chartValues: readonly string[];
  readonly cleanups: Cleanups;
  readonly report: Report;
}

/** The place as the processes are told, and as an administrator finds it. */
export interface StackPods {
  readonly runtime: RuntimePlaces;
  readonly place: PodsPlace;
  /** name by which pods get the agent's image */
  readonly agentImage: string;
}

/** Prepares the place. Its end is in `cleanups`, also after a failure. */
export const prepareStackPods = ({ cluster, ...options }: StackPodsOptions): Promise<StackPods> =>
  cluster === undefined ? prepareEngine(options) : prepareCluster({ ...options, cluster });

const prepareEngine = async ({ engine, folder }: Omit<StackPodsOptions, 'cluster'>): Promise<StackPods> => {
  const gatewayFolder = path.join(folder, 'gateway');
  await mkdir(gatewayFolder, { recursive: true, mode: 0o711 });
  const { socketPath, seccompProfile } = engine;
  return {
    runtime: { kind: 'docker', dockerSocket: socketPath, gatewayFolder, seccompProfile },
    place: { kind: 'docker', socketPath },
    agentImage: engine.agentImage,
  };
};

const prepareCluster = async (options: StackPodsOptions & { readonly cluster: StackCluster }): Promise<StackPods> => {
  const { engine, cluster, instance, folder, cleanups, report, chartValues } = options;
  for (const abandoned of await removeAbandonedNamespaces(cluster)) report(`removed what ${abandoned} left behind`);
  const { nodeAddress } = cluster;
  const [port = 0, canaryPort = 0] = await findFreePorts(2, nodeAddress);
  const gateway = { address: nodeAddress, port };
  const namespace = await createJobsNamespace({ cluster, instance, gateway, values: chartValues, folder, report });
  cleanups.own(namespace);
  const agentImage = await cluster.importImage(engine.docker, engine.agentImage);
  report(`pods go to the namespace ${namespace.name} of the cluster`);
  return {
    runtime: {
      kind: 'kubernetes',
      kubeconfig: namespace.kubeconfig,
      namespace: namespace.name,
      gateway: { host: nodeAddress, port, canaryPort },
      seccompProfile: cluster.seccompProfile,
    },
    place: { kind: 'kubernetes', kubeconfig: cluster.kubeconfig, namespace: namespace.name },
    agentImage,
  };
};
