/** The chart's `values.schema.json`: what it has of the service's configuration comes from the schemas that the service uses itself. */

import { z } from 'zod';
import { apiConfig } from '../../../api/config.ts';
import { computeEnvironment } from '../../environments/environments.ts';
import { chainConfig } from '../../ocean/config.ts';
import { storeConfig } from '../../storage/config.ts';
import { gatewayConfig } from '../../../workers/gateway/config.ts';
import { orchestratorConfig } from '../../../workers/orchestrator/config.ts';
import {
  containerResources,
  egressRules,
  flag,
  list,
  object,
  objectName,
  oneOf,
  peers,
  quantities,
  requiredName,
  text,
  texts,
  tolerations,
  whole,
  type Schema,
} from './schemaParts.ts';

/** Keys that the templates set; where an operator has a say, by a value of its own. */
export const keysOfChart: readonly string[] = [
  'C2D_RUNTIME',
  'C2D_REGISTRY_CREDENTIALS',
  'C2D_HEALTH_HOST',
  'C2D_HEALTH_PORT',
  'DATABASE_URL',
  'C2D_ENCRYPTION_KEYS',
  'C2D_ENVIRONMENTS',
  'C2D_CHAINS',
  'C2D_PROVIDER_PRIVATE_KEY',
  'C2D_FORMER_PROVIDER_PRIVATE_KEYS',
  'C2D_TEMPORAL_ADDRESS',
  'C2D_TEMPORAL_NAMESPACE',
  'C2D_TEMPORAL_API_KEY',
  'C2D_TEMPORAL_TLS',
  'C2D_TEMPORAL_TLS_AUTHORITY',
  'C2D_TEMPORAL_TLS_CERTIFICATE',
  'C2D_TEMPORAL_TLS_KEY',
  'C2D_TEMPORAL_TLS_SERVER_NAME',
  'C2D_API_HOST',
  'C2D_API_PORT',
  'C2D_CLASSIC_PORT',
  'C2D_OPERATOR_PORT',
  'C2D_STORAGE_FOLDER',
  'C2D_STORES',
  'C2D_GATEWAY_HOST',
  'C2D_GATEWAY_PORT',
  'C2D_GATEWAY_CANARY_HOST',
  'C2D_GATEWAY_CANARY_PORT',
  'C2D_GATEWAY_URL',
  'C2D_AGENT_IMAGE',
  'C2D_INSTANCE',
  'C2D_KUBERNETES_NAMESPACE',
  'C2D_IMAGE_PULL_SECRETS',
  'C2D_POD_HOST_USERS',
  'C2D_POD_SECCOMP_PROFILE',
  'C2D_POD_WATCH',
  'C2D_WORKFLOW_BUNDLE',
  'C2D_NOTIFY_START_URL',
  'C2D_NOTIFY_STOP_URL',
  'C2D_API_TRUSTED_PROXIES',
];

/** Keys that mean nothing inside a cluster. */
export const keysOfOtherPlaces: readonly string[] = [
  'C2D_DOCKER_SOCKET',
  'C2D_GATEWAY_SOCKET_FOLDER',
  'C2D_GATEWAY_SOCKET_PATH',
  'C2D_GATEWAY_NETWORK',
  'C2D_SECCOMP_PROFILE',
  'C2D_POD_PIDS_LIMIT',
  'C2D_KUBECONFIG',
];

/** Every key of the three processes. */
export const serviceConfigKeys = (): readonly string[] => [
  ...new Set([apiConfig, orchestratorConfig, gatewayConfig].flatMap(({ shape }) => Object.keys(shape))),
];

const fromZod = (schema: z.ZodType): Schema => {
  const { $schema: _draft, ...rest } = z.toJSONSchema(schema, { io: 'input', target: 'draft-7' });
  return rest;
};

const documented = (schema: z.ZodType, description: string): Schema => ({ ...fromZod(schema), description });

const image = (what: string): Record<string, Schema> => ({
  repository: text(`registry and name of the ${what} image`, { minLength: 1 }),
  tag: text("tag; empty: the chart's appVersion"),
  digest: text('digest, which wins over the tag', { pattern: '^(sha256:[0-9a-f]{64})?$' }),
});

const secret = (what: string, holds: string): Schema =>
  object(what, { name: objectName('name of the secret; it exists already'), key: text(`key in it: ${holds}`, { minLength: 1 }) });

const webAddress = (description: string): Schema => text(description, { pattern: '^(https?://.+)?$' });

const replicas: Record<string, Schema> = {
  replicas: whole('how many at once', 1),
  resources: containerResources,
  nodeSelector: texts('Labels of the nodes that it may run on.'),
  tolerations,
  podAnnotations: texts('Annotations of its pods.'),
  podDisruptionBudget: object('How many a drain of nodes may take away at once.', {
    enabled: flag('make one'),
    maxUnavailable: { type: ['integer', 'string'], description: 'number or percentage' },
  }),
};

const process = (description: string, more: Readonly<Record<string, Schema>> = {}): Schema => object(description, { ...replicas, ...more });

const api = process("The consumers' HTTP API.", {
  service: object('Its Service.', {
    type: oneOf('kind of Service', 'ClusterIP', 'NodePort', 'LoadBalancer'),
    port: whole('port of the Service', 1, 65_535),
    annotations: texts('annotations of the Service'),
  }),
  trustedProxies: list('Proxies whose X-Forwarded-For is believed, such as those of the Ingress.', text('an address or a network')),
  classic: object('The classic Provider API, for older clients.', {
    enabled: flag('serve it'),
    port: whole('its port of the Service', 1, 65_535),
  }),
  operator: object('The operator-service API, for legacy Providers of the same cluster: on a Service of its own, which never leaves it.', {
    enabled: flag('serve it'),
    port: whole('port of that Service', 1, 65_535),
  }),
  ingress: object('An Ingress in front of it.', {
    enabled: flag('make one'),
    className: objectName('IngressClass; empty: the default of the cluster'),
    annotations: texts('annotations of the Ingress'),
    host: text('host name under which consumers call'),
    path: text('path before all routes', { pattern: '^/' }),
    tlsSecretName: objectName('secret with the certificate; empty: no TLS'),
  }),
});

const gateway = process('What the pods of jobs talk to.', {
  external: object('Where pods reach a gateway that runs outside the cluster; only with processes.enabled=false.', {
    address: text('IP address; pods look no names up', { pattern: '^([0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)?$' }),
    port: whole('port for agents', 0, 65_535),
  }),
});

const jobs = object('The execution pods, and the namespace that has nothing but them.', {
  namespace: object('Their namespace.', {
    name: text('name; empty: the name of the release with -jobs behind it', { pattern: '^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$' }),
    create: flag('false: it exists already'),
    labels: texts('more labels for it'),
  }),
  imagePullSecrets: list("Secrets of the jobs' namespace with which images are pulled.", requiredName('name of a secret')),
  registryCredentials: flag(
    'jobs may bring credentials for the registry of their image: the orchestrator may create and delete secrets there',
  ),
  hostUsers: flag('false: user namespaces for the pods; needs nodes that can'),
  seccompProfile: text("a profile below the kubelets' seccomp folder; empty: the default of the nodes' container runtime", {
    pattern: '^([A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*)?$',
  }),
  watch: flag('watch the pods: changes are noticed sooner'),
  runtimeClass: object('A RuntimeClass for environments to name.', {
    create: flag('make one'),
    name: objectName('name of the class'),
    handler: text("name of the handler in the nodes' container runtime"),
  }),
  resourceQuota: object("A ResourceQuota of the jobs' namespace.", { enabled: flag('make one'), hard: quantities('the limits') }),
  limitRange: object("A LimitRange of the jobs' namespace.", {
    enabled: flag('make one'),
    limits: list(
      'the limits',
      object(
        'As a LimitRange has it.',
        {
          type: oneOf('of what', 'Container', 'Pod', 'PersistentVolumeClaim'),
          max: quantities('the most'),
          min: quantities('the least'),
          default: quantities('limit of who names none'),
          defaultRequest: quantities('request of who names none'),
        },
        ['type'],
      ),
    ),
  }),
});

const settings = (): Schema => {
  const taken = new Set([...keysOfChart, ...keysOfOtherPlaces]);
  const keys = serviceConfigKeys()
    .filter((key) => !taken.has(key))
    .toSorted();
  return object(
    'Further keys of docs/configuration.md, as texts. Keys that the chart sets itself have a value of their own.',
    Object.fromEntries(keys.map((key) => [key, text('see docs/configuration.md')])),
  );
};

const secrets = object("Secrets of the release's namespace that exist already.", {
  database: secret('Address of the ledger.', 'postgres://user:password@host:port/database'),
  encryptionKeys: secret('Keys that seal requests and histories.', 'id:base64 of 32 bytes, several separated by commas'),
  providerKey: secret("The provider's private key.", '0x and 64 hex characters'),
  formerProviderKeys: secret('Earlier private keys; optional.', 'several separated by commas'),
  chains: secret('The chains, instead of `chains`; optional.', 'a JSON array'),
  temporalApiKey: secret('An API key for Temporal; optional.', 'the API key'),
  notifyStartUrl: secret('Address for webhooks of starts, instead of `webhooks.startUrl`; optional.', 'an http or https address'),
  notifyStopUrl: secret('Address for webhooks of ends, instead of `webhooks.stopUrl`; optional.', 'an http or https address'),
  stores: secret('The stores, instead of `storage.stores`; optional.', 'a JSON array'),
});

const temporal = object('Where the Temporal server is.', {
  address: text('host:port of its frontend', { pattern: '^(.+:[0-9]+)?$' }),
  namespace: text('namespace there', { minLength: 1 }),
  tls: flag('speak TLS'),
  certificates: object('A secret with certificates; needs tls.', {
    name: objectName('name of the secret'),
    authority: flag("it has ca.crt: the authority of the server's certificate"),
    client: flag('it has tls.crt and tls.key: our own certificate'),
  }),
  serverName: text("name in the server's certificate, if it is not the address's"),
});

const networkPolicies = object('Who may talk to the processes, and to whom they may talk. The seal of the jobs is no option.', {
  enabled: flag('make them'),
  monitoring: peers('who may read health and metrics; the kubelet always may'),
  consumers: peers('who may call the API; empty: everybody'),
  providers: peers('who may call the operator-service API; empty: everybody'),
  egress: egressRules('where the processes may go'),
});

/** @returns the schema as JSON; it refuses every key that it does not describe */
export const valuesSchema = (): Schema => ({
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Values of the chart durable-c2d',
  ...object('See docs/install.md.', {
    global: { type: 'object', description: 'Set by charts that contain this one; not used.' },
    fullnameOverride: text('names of all objects begin with it; empty: the name of the release', {
      pattern: '^([a-z]([a-z0-9-]{0,48}[a-z0-9])?)?$',
    }),
    instance: text('tells installations on one cluster apart; empty: the name of the release', {
      pattern: '^([a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?)?$',
    }),
    processes: object('The processes of the service.', {
      enabled: flag('false: only what the jobs need, for processes outside the cluster'),
    }),
    image: object('Image of api, orchestrator and gateway.', {
      ...image("service's"),
      pullPolicy: oneOf('when nodes pull it', 'Always', 'IfNotPresent', 'Never'),
    }),
    agentImage: object('Image of the agent, the program beside every algorithm.', image("agent's")),
    imagePullSecrets: list(
      "Secrets of the release's namespace with which the processes' images are pulled.",
      requiredName('name of a secret'),
    ),
    chains: list('The chains, field by field as docs/configuration.md has them.', documented(chainConfig, 'One chain.')),
    environments: list(
      'The compute environments, field by field as docs/configuration.md has them.',
      documented(computeEnvironment, 'One compute environment.'),
    ),
    settings: settings(),
    webhooks: object('Who is told of jobs; addresses that contain a key belong into a secret.', {
      startUrl: webAddress('told when a job has been accepted; empty: nobody'),
      stopUrl: webAddress('told when a job has ended; empty: nobody'),
    }),
    temporal,
    secrets,
    storage: object('Where results are kept.', {
      existingClaim: objectName('a PersistentVolumeClaim that all processes can mount at once on every node: the store `default`'),
      stores: list('Further stores, field by field as docs/configuration.md has them.', documented(storeConfig, 'One store.')),
    }),
    api,
    orchestrator: process('The worker that drives the jobs.'),
    gateway,
    jobs,
    networkPolicies,
    tests: object('helm test.', { timeoutSeconds: whole('how long it waits for the self-tests', 10) }),
  }),
});
