/** The pod of a job as one Kubernetes object: two containers and the filters, no init container, sealed for life. Pure. */

import type { V1Container, V1Pod, V1PodSpec, V1Secret, V1SecurityContext, V1Toleration } from '@kubernetes/client-node';
import { podName } from '../../workflows/contract/ids.ts';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { PodFilter, PodSpec } from '../../workflows/contract/pod.ts';
import { filterDeadlineSeconds, filterEnvironment, filterName, filtersFolder, filterVariables } from './filterSpec.ts';
import { agentResources, algorithmResources, idleResources } from './kubernetesResources.ts';
import { volumesOf } from './kubernetesVolumes.ts';
import { podLabels } from './podLabels.ts';
import { dockerConfigOf } from './registries.ts';
import { agentUid, wrapperScript } from './wrapper.ts';

/** Names of the two containers. */
export const agentName = 'agent';
export const algorithmName = 'algorithm';

/** Annotation with the seconds that the pod may take to begin: whoever observes it knows the pod only. */
export const createSecondsAnnotation = 'c2d.create-seconds';

/** Annotation with whose the pod's filters are, as a JSON list: people are told by that. */
export const filtersAnnotation = 'c2d.filters';

/** What an installation decides about its pods. */
export interface KubernetesPodSettings {
  /** value of the instance label; pods of other instances are invisible */
  readonly instance: string;
  readonly agentImage: string;
  /** names of secrets of the namespace with which images are pulled */
  readonly imagePullSecrets: readonly string[];
  /** jobs may bring credentials for the registry of their image; each such pod attempt has a secret of its own */
  readonly registryCredentials: boolean;
  /** false gives each pod user namespaces of its own, where the cluster can */
  readonly hostUsers: boolean;
  /** a profile below the seccomp folder of the nodes' kubelets; absent: the default of their container runtime */
  readonly seccompProfile?: string;
  /** size of the algorithm's `/tmp`; it counts against its memory */
  readonly tmpBytes: number;
  readonly agentMemoryBytes: number;
  readonly agentCpu: number;
}

/** The user that every algorithm runs as: a cluster cannot be asked for the image's own. */
const algorithmUid = 1000;

/** Where the agent's image keeps the busybox that it puts onto the control volume, which hides what the image has there. */
const imageBusybox = '/opt/c2d/busybox';

/**
 * How long a pod stays bound to a node that has stopped answering. The agent may be well behind a broken kubelet, so
 * this is longer than a kubelet's restart; the cluster's own default would be five minutes.
 */
const unreachableSeconds = 30;

/**
 * @param gatewayUrl where the agent finds the gateway, host as an IP address: pods resolve no names
 * @throws JobFailure ImageUnavailable when the request names no entrypoint
 */
export const kubernetesPod = (spec: PodSpec, settings: KubernetesPodSettings, gatewayUrl: string): V1Pod => {
  const { pod, placement } = spec;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: podName(pod),
      // the operator's own labels cannot replace the ones that network policies and this service go by
      labels: { ...placement.labels, ...podLabels(spec, settings.instance) },
      annotations: {
        [createSecondsAnnotation]: String(spec.createSeconds),
        ...(spec.filters.length > 0 && { [filtersAnnotation]: JSON.stringify(spec.filters.map(({ by }) => by)) }),
      },
    },
    spec: {
      ...sealed(spec, settings),
      ...placed(spec),
      activeDeadlineSeconds: Math.ceil(spec.deadlineSeconds),
      terminationGracePeriodSeconds: Math.ceil(spec.graceSeconds + spec.publishSeconds),
      ...volumesOf(spec, settings).pod,
      // started in this order, each image pulled when its turn comes: the agent works while the algorithm's is fetched
      containers: [
        agentContainer(spec, settings, gatewayUrl),
        algorithmContainer(spec, settings),
        ...spec.filters.map((filter, n) => filterContainer(spec, { filter, n, settings })),
      ],
    },
  };
};

/**
 * The secret with which the image of one pod attempt is pulled. It has the pod's name, is there before the pod, and goes
 * with it.
 * @returns undefined when the job brought no credentials
 */
export const pullSecret = (spec: PodSpec, { instance }: Pick<KubernetesPodSettings, 'instance'>): V1Secret | undefined =>
  spec.registryCredentials && {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: podName(spec.pod), labels: podLabels(spec, instance) },
    type: 'kubernetes.io/dockerconfigjson',
    immutable: true,
    stringData: { '.dockerconfigjson': dockerConfigOf(spec.image, spec.registryCredentials) },
  };

/** No names, no token of the cluster, no address of its services, no second life. */
const sealed = (spec: PodSpec, { hostUsers, imagePullSecrets }: KubernetesPodSettings): Omit<V1PodSpec, 'containers'> => ({
  restartPolicy: 'Never',
  automountServiceAccountToken: false,
  enableServiceLinks: false,
  hostname: 'c2d',
  dnsPolicy: 'None',
  // nobody listens there: a resolver fails at once instead of waiting for packets that the policy drops
  dnsConfig: {
    nameservers: ['127.0.0.1'],
    options: [
      { name: 'attempts', value: '1' },
      { name: 'timeout', value: '1' },
    ],
  },
  ...(hostUsers ? {} : { hostUsers: false }),
  ...pullSecretsOf([...imagePullSecrets, ...(spec.registryCredentials === undefined ? [] : [podName(spec.pod)])]),
});

const pullSecretsOf = (names: readonly string[]): Pick<V1PodSpec, 'imagePullSecrets'> =>
  names.length > 0 ? { imagePullSecrets: names.map((name) => ({ name })) } : {};

const placed = ({ placement }: PodSpec): Partial<V1PodSpec> => ({
  nodeSelector: { ...placement.nodeSelector },
  tolerations: [
    ...placement.tolerations.map((toleration): V1Toleration => ({ ...toleration })),
    ...['not-ready', 'unreachable'].map((taint) => ({
      key: `node.kubernetes.io/${taint}`,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: unreachableSeconds,
    })),
  ],
  ...(placement.runtimeClassName !== null && { runtimeClassName: placement.runtimeClassName }),
  ...(placement.priorityClassName !== null && { priorityClassName: placement.priorityClassName }),
});

/** The agent alone holds the token. */
const agentContainer = (spec: PodSpec, settings: KubernetesPodSettings, gatewayUrl: string): V1Container => ({
  name: agentName,
  image: settings.agentImage,
  imagePullPolicy: 'IfNotPresent',
  env: [
    { name: 'C2D_GATEWAY', value: literal(gatewayUrl) },
    { name: 'C2D_TOKEN', value: literal(spec.token) },
    { name: 'C2D_CLUSTER_GRACE_SECONDS', value: String(spec.graceSeconds) },
    ...Object.entries(filterVariables(spec)).map(([name, value]) => ({ name, value: literal(value) })),
  ],
  securityContext: unprivileged(agentUid, settings),
  resources: agentResources(settings),
  // the kubelet starts the algorithm's container, whose command is this file, once the hook is through
  lifecycle: { postStart: { exec: { command: [imageBusybox, 'sh', '-c', placeBusyboxIn(spec)] } } },
  volumeMounts: volumesOf(spec, settings).agent,
  terminationMessagePolicy: 'File',
});

/** The mode stays: whoever cannot read a program cannot read the memory of its processes, and the wrapper is one. */
const placeBusybox = `b=${imageBusybox}; $b cp -p $b /.c2d/busybox.new && $b mv /.c2d/busybox.new /.c2d/busybox`;

const placeBusyboxIn = ({ filters }: PodSpec): string =>
  [placeBusybox, ...filters.map((_filter, n) => `$b mkdir -p ${filtersFolder}/${n} && $b cp -p $b ${filtersFolder}/${n}/busybox`)].join(
    ' && ',
  );

const algorithmContainer = (spec: PodSpec, settings: KubernetesPodSettings): V1Container => ({
  name: algorithmName,
  image: spec.image,
  imagePullPolicy: pullPolicyOf(spec.image, settings),
  command: ['/.c2d/busybox', 'sh', '-c', wrapperOf(spec), 'wrapper', ...commandOf(spec)].map(literal),
  env: Object.entries(spec.env).map(([name, value]) => ({ name, value: literal(value) })),
  securityContext: unprivileged(algorithmUid, settings),
  resources: algorithmResources(spec),
  volumeMounts: volumesOf(spec, settings).algorithm,
  terminationMessagePolicy: 'File',
});

interface OneFilter {
  readonly filter: PodFilter;
  readonly n: number;
  readonly settings: KubernetesPodSettings;
}

/** As sealed as the algorithm's container, and with its user, so that it can change what that has written. */
const filterContainer = (spec: PodSpec, { filter, n, settings }: OneFilter): V1Container => ({
  name: filterName(n),
  image: filter.image,
  imagePullPolicy: 'IfNotPresent',
  command: ['/.c2d/busybox', 'sh', '-c', filterWrapperOf(spec, filter), 'wrapper', ...filter.command].map(literal),
  env: Object.entries(filterEnvironment(filter)).map(([name, value]) => ({ name, value: literal(value) })),
  securityContext: unprivileged(algorithmUid, settings),
  resources: idleResources({ cpu: filter.cpu, memoryBytes: filter.memoryBytes, memoryShare: 1 }),
  volumeMounts: volumesOf(spec, settings).filters[n] ?? [],
  terminationMessagePolicy: 'File',
});

const filterWrapperOf = ({ resources }: PodSpec, filter: PodFilter): string =>
  wrapperScript({
    seal: 'canary',
    deadlineSeconds: filterDeadlineSeconds(filter),
    fileBytes: resources.diskBytes,
    hiddenVariables: clusterVariables.filter((name) => !Object.hasOwn(filter.env, name)),
    filter: { endsWithAgent: true },
  });

/** Names of the cluster's API that the kubelet gives to every container, service links or not. */
const clusterVariables = ['SERVICE_HOST', 'SERVICE_PORT', 'SERVICE_PORT_HTTPS', 'PORT', 'PORT_443_TCP']
  .concat(['PROTO', 'PORT', 'ADDR'].map((part) => `PORT_443_TCP_${part}`))
  .map((name) => `KUBERNETES_${name}`);

/**
 * Where jobs bring credentials, nodes have images that not everybody may have: the registry is asked for every pod, and
 * what is there already is not fetched again. Images of `localhost/` are nobody's and in no registry.
 */
const pullPolicyOf = (image: string, { registryCredentials }: KubernetesPodSettings): 'Always' | 'IfNotPresent' =>
  registryCredentials && !image.startsWith('localhost/') ? 'Always' : 'IfNotPresent';

const wrapperOf = ({ deadlineSeconds, resources, env }: PodSpec): string =>
  wrapperScript({
    seal: 'canary',
    deadlineSeconds,
    fileBytes: resources.diskBytes,
    hiddenVariables: clusterVariables.filter((name) => !Object.hasOwn(env, name)),
  });

const commandOf = ({ command }: PodSpec): readonly string[] => {
  if (command !== null && command.length > 0) return command;
  throw new JobFailure('ImageUnavailable', "the algorithm names no entrypoint, and a cluster cannot be asked for the image's own: set one");
};

/** Kubernetes replaces `$(NAME)` in commands and variables; a doubled dollar sign stands for itself. */
const literal = (text: string): string => text.replaceAll('$', '$$$$');

const unprivileged = (uid: number, { seccompProfile }: KubernetesPodSettings): V1SecurityContext => ({
  runAsUser: uid,
  runAsGroup: uid,
  runAsNonRoot: true,
  privileged: false,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: seccompProfile === undefined ? { type: 'RuntimeDefault' } : { type: 'Localhost', localhostProfile: seccompProfile },
});
