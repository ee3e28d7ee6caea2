/** The whole service on one machine, every part real: for the demo, development and the end-to-end tests. */

import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type Docker from 'dockerode';
import type { LocalChain } from './chain/startChain.ts';
import { createCleanups, type Cleanups } from './cleanups.ts';
import { createInstanceName } from './instanceName.ts';
import { awaitOffers } from './offers.ts';
import type { StackCluster } from './jobsNamespace.ts';
import type { Report } from './parts.ts';
import type { Restartable } from './restartable.ts';
import { localEnvironment, type EnvironmentSettings, type ServiceName } from './serviceEnvironment.ts';
import { startStackParts } from './stackParts.ts';
import { prepareStackPods, type PodsPlace } from './stackPods.ts';
import { startServices, type Replicas, type StackServices } from './stackServices.ts';

/** How to start a stack; nothing is needed. */
export interface StackOptions {
  readonly report?: Report;
  /** keeps data, keys and logs here for the next start; default: a new folder that `close` removes */
  readonly folder?: string;
  /** compute environments; default: one, `local`, that also takes free jobs */
  readonly environments?: readonly EnvironmentSettings[];
  /** further environment variables of all three processes */
  readonly env?: Readonly<Record<string, string>>;
  /** runs the execution pods; default: they are containers of this machine's engine */
  readonly cluster?: StackCluster;
  /** with a cluster: further values of the chart, as `helm --set` takes them */
  readonly chartValues?: readonly string[];
  /** false: be up before the environments are offered, which may be never; default true */
  readonly awaitsOffers?: boolean;
  /** several orchestrators, and with a cluster several gateways behind one address */
  readonly replicas?: Replicas;
}

/** The running service. */
export interface Stack {
  readonly apiUrl: string;
  readonly docsUrl: string;
  readonly temporalUiUrl: string;
  readonly temporalAddress: string;
  readonly databaseUrl: string;
  readonly chain: LocalChain;
  /** results of jobs */
  readonly storageFolder: string;
  /** everything that is on disk: data, keys, `logs/` */
  readonly folder: string;
  readonly docker: Docker;
  /** where the container engine keeps images, containers and volumes; undefined if it is not ours */
  readonly engineFolder: string | undefined;
  /** label value of all its containers and volumes */
  readonly instance: string;
  readonly agentImage: string;
  /** path of the pods' seccomp profile; undefined: the engine's default */
  readonly seccompProfile: string | undefined;
  /** on a container engine, what agents see of this machine: the folder with the gateway's socket */
  readonly gatewayFolder: string;
  readonly pods: PodsPlace;
  readonly processes: Readonly<Record<ServiceName, Restartable>>;
  /** those of `processes` and all others of their kind */
  readonly replicas: StackServices['replicas'];
  /** absent when `DATABASE_URL` names a server that is not ours */
  readonly postgres: Restartable | undefined;
  readonly temporal: Restartable;
  /** Makes an image of the container engine known to where pods run. @returns the name by which pods get it */
  importImage(reference: string): Promise<string>;
  /**
   * Ends everything in reverse order of starting, removes containers and volumes, and the folder unless it was given.
   * Safe to repeat. @throws AggregateError of what could not be ended, after everything else was
   */
  close(): Promise<void>;
}

/**
 * Starts every part and resolves when all three processes are ready. Several stacks at once do not meet: ports are
 * free ones, and containers carry the stack's label. If a part does not start, what was started is ended.
 * @throws MissingPart if a part cannot be had; Error with the end of a log if one does not start
 */
export const startStack = async (options: StackOptions = {}): Promise<Stack> => {
  const cleanups = createCleanups();
  try {
    return await raiseStack(options, cleanups);
  } catch (err) {
    await cleanups.run().catch(() => undefined);
    throw err;
  }
};

const raiseStack = async (options: StackOptions, cleanups: Cleanups): Promise<Stack> => {
  const { report = () => undefined, cluster, chartValues = [] } = options;
  const folder = await createFolder(options.folder, cleanups);
  const instance = createInstanceName();
  const parts = await startStackParts({ folder, instance, report, cleanups, keep: options.folder !== undefined });
  const pods = await prepareStackPods({ engine: parts.engine, cluster, folder, instance, chartValues, cleanups, report });
  const { env = {}, replicas = {} } = options;
  const environments = environmentsOf(options);
  const services = await startServices({ parts, pods, folder, instance, cleanups, environments, env, replicas, report });
  if (options.awaitsOffers ?? true) {
    report('waiting until the environments are offered');
    await awaitOffers(
      services.apiUrl,
      environments.map(({ id }) => id),
    );
  }
  return {
    ...services,
    docsUrl: `${services.apiUrl}/api/docs`,
    temporalUiUrl: parts.temporal.uiUrl,
    temporalAddress: parts.temporal.address,
    databaseUrl: parts.database.url,
    chain: parts.chain,
    folder,
    docker: parts.engine.docker,
    engineFolder: parts.engine.storageFolder,
    instance,
    agentImage: pods.agentImage,
    seccompProfile: parts.engine.seccompProfile,
    postgres: parts.database.server,
    temporal: parts.temporal,
    gatewayFolder: path.join(folder, 'gateway'),
    pods: pods.place,
    importImage: async (reference) => cluster?.importImage(parts.engine.docker, reference) ?? reference,
    close: () => cleanups.run(),
  };
};

const environmentsOf = ({ environments = [localEnvironment] }: StackOptions): readonly EnvironmentSettings[] => environments;

const createFolder = async (wanted: string | undefined, cleanups: Cleanups): Promise<string> => {
  const folder = wanted === undefined ? await mkdtemp(path.join(tmpdir(), 'c2d-')) : path.resolve(wanted);
  await mkdir(folder, { recursive: true });
  // others may pass, not list: PostgreSQL runs under another account when we are root
  await chmod(folder, 0o711);
  if (wanted === undefined) cleanups.add(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
};
