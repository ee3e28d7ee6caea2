/** Configuration of the service's processes on one machine: the one place that knows their keys. */

import { randomBytes } from 'node:crypto';
import type { z } from 'zod';
import type { chainConfig } from '../ocean/config.ts';
import type { computeEnvironment } from '../environments/environments.ts';
import type { LocalChain } from './chain/startChain.ts';

/** The three processes. */
export const serviceNames = ['api', 'orchestrator', 'gateway'] as const;
export type ServiceName = (typeof serviceNames)[number];

/** A compute environment as an operator writes it: everything but the id may be left out. */
export type EnvironmentSettings = z.input<typeof computeEnvironment>;

/** Secrets of one installation. */
export interface ServiceKeys {
  /** `id:base64`, see `C2D_ENCRYPTION_KEYS` */
  readonly encryptionKeys: string;
  /** 0x hex */
  readonly providerPrivateKey: string;
}

/** Where execution pods run, and where they meet the gateway. */
export type RuntimePlaces =
  | {
      readonly kind: 'docker';
      readonly dockerSocket: string;
      /** folder of the gateway's socket: agents see nothing else of this machine */
      readonly gatewayFolder: string;
      /** absent: the engine's default */
      readonly seccompProfile?: string | undefined;
    }
  | {
      readonly kind: 'kubernetes';
      /** path of a kubeconfig with the orchestrator's rights */
      readonly kubeconfig: string;
      readonly namespace: string;
      /** where pods meet the gateway, and where none of them may get to */
      readonly gateway: {
        readonly host: string;
        readonly port: number;
        /** where the gateway itself listens, if `port` belongs to what stands in front of it */
        readonly listenPort?: number;
        readonly canaryPort: number;
      };
      /** absent: the default of the nodes' container runtime */
      readonly seccompProfile?: string | undefined;
    };

/** Where the parts of one installation are. */
export interface ServicePlaces {
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  /** a local chain with Ocean's contracts */
  readonly chain: Pick<LocalChain, 'chainId' | 'rpcUrl' | 'contracts'>;
  readonly environments: readonly EnvironmentSettings[];
  readonly keys: ServiceKeys;
  readonly storageFolder: string;
  readonly runtime: RuntimePlaces;
  readonly agentImage: string;
  /** file with the bundled workflows */
  readonly workflowBundle: string;
  /** label value of everything that this installation creates where its pods run */
  readonly instance: string;
  readonly apiPort: number;
  readonly healthPorts: Readonly<Record<ServiceName, number>>;
}

/** Fresh secrets. */
export const generateServiceKeys = (): ServiceKeys => ({
  encryptionKeys: `local:${randomBytes(32).toString('base64')}`,
  providerPrivateKey: `0x${randomBytes(32).toString('hex')}`,
});

/** One environment that suits a developer's machine. */
export const localEnvironment: EnvironmentSettings = {
  id: 'local',
  description: 'this machine',
  free: {},
};

/** Environment variables of each process. Nothing else of our own environment reaches them, apart from PATH and the like. */
export const serviceEnvironment = (places: ServicePlaces): Readonly<Record<ServiceName, Readonly<Record<string, string>>>> => {
  const common = {
    C2D_LOG_LEVEL: 'info',
    C2D_HEALTH_HOST: '127.0.0.1',
    DATABASE_URL: places.databaseUrl,
    C2D_ENCRYPTION_KEYS: places.keys.encryptionKeys,
    C2D_ENVIRONMENTS: JSON.stringify(places.environments),
    C2D_TEMPORAL_ADDRESS: places.temporalAddress,
    C2D_TEMPORAL_NAMESPACE: places.temporalNamespace,
    C2D_CHAINS: JSON.stringify([describeChain(places.chain)]),
    C2D_PROVIDER_PRIVATE_KEY: places.keys.providerPrivateKey,
    // data sources of the demo and the tests are on this machine
    C2D_OUTBOUND_ALLOW: '127.0.0.0/8',
  };
  const storage = { C2D_STORAGE_FOLDER: places.storageFolder };
  const runtime = runtimeKeys(places.runtime);
  return {
    api: {
      ...common,
      ...storage,
      ...runtime.api,
      ...healthPort(places, 'api'),
      C2D_API_HOST: '127.0.0.1',
      C2D_API_PORT: String(places.apiPort),
      // demo, tests and measurements all come from one address
      C2D_API_RATE_PER_IP: '0',
      C2D_API_RATE_PER_ADDRESS: '0',
    },
    orchestrator: {
      ...common,
      ...storage,
      ...healthPort(places, 'orchestrator'),
      ...runtime.orchestrator,
      C2D_AGENT_IMAGE: places.agentImage,
      C2D_WORKFLOW_BUNDLE: places.workflowBundle,
      C2D_INSTANCE: places.instance,
      C2D_REGISTER_SEARCH_ATTRIBUTES: 'false',
    },
    gateway: {
      ...common,
      ...storage,
      ...healthPort(places, 'gateway'),
      ...runtime.gateway,
    },
  };
};

const runtimeKeys = (places: RuntimePlaces): Readonly<Record<ServiceName, Readonly<Record<string, string>>>> =>
  places.kind === 'docker' ? dockerKeys(places) : kubernetesKeys(places);

const dockerKeys = ({ dockerSocket, gatewayFolder, seccompProfile }: RuntimePlaces & { kind: 'docker' }) => ({
  api: {},
  orchestrator: {
    C2D_DOCKER_SOCKET: dockerSocket,
    C2D_GATEWAY_SOCKET_FOLDER: gatewayFolder,
    ...(seccompProfile !== undefined && { C2D_SECCOMP_PROFILE: seccompProfile }),
  },
  gateway: { C2D_GATEWAY_SOCKET_PATH: `${gatewayFolder}/gateway.sock` },
});

const kubernetesKeys = ({ kubeconfig, namespace, gateway, seccompProfile }: RuntimePlaces & { kind: 'kubernetes' }) => ({
  api: { C2D_RUNTIME: 'kubernetes' },
  orchestrator: {
    C2D_RUNTIME: 'kubernetes',
    C2D_KUBECONFIG: kubeconfig,
    C2D_KUBERNETES_NAMESPACE: namespace,
    C2D_GATEWAY_URL: `http://${gateway.host}:${gateway.port}`,
    ...(seccompProfile !== undefined && { C2D_POD_SECCOMP_PROFILE: seccompProfile }),
  },
  gateway: {
    C2D_GATEWAY_HOST: gateway.host,
    C2D_GATEWAY_PORT: String(gateway.listenPort ?? gateway.port),
    C2D_GATEWAY_CANARY_HOST: gateway.host,
    C2D_GATEWAY_CANARY_PORT: String(gateway.canaryPort),
  },
});

const healthPort = ({ healthPorts }: ServicePlaces, name: ServiceName) => ({ C2D_HEALTH_PORT: String(healthPorts[name]) });

const describeChain = ({ chainId, rpcUrl, contracts }: ServicePlaces['chain']): z.input<typeof chainConfig> => ({
  chainId,
  rpcUrl,
  erc721FactoryAddress: contracts.erc721Factory,
  startBlock: 0,
  confirmations: 0,
  escrowAddress: contracts.escrow,
  feeToken: contracts.ocean,
  name: 'development',
});
