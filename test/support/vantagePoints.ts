/**
 * Where attempts against a cluster succeed: pods beside the sealed ones, without a seal. They also serve what must not
 * be reached, at addresses that exist on this machine only, so that a broken seal lets nothing out of it.
 */

import { randomBytes } from 'node:crypto';
import { CoreV1Api, KubeConfig, type V1Container, type V1Pod } from '@kubernetes/client-node';
import type { Cluster } from '../../infra/toolchain/cluster/cluster.ts';
import { createInstanceName } from '../../infra/toolchain/instanceName.ts';
import { type AttackOutcome } from './attacks.ts';
import { ports, type ClusterTargets, type Vantage } from './clusterAttacks.ts';
import { eventually } from './heldJobs.ts';
import { listeningPortsIn } from './networkScan.ts';

const startPatienceMs = 180_000;

/** What these pods know about the cluster. */
export type SurroundingTargets = Omit<ClusterTargets, 'machinePort' | 'gatewayPort' | 'canaryPort' | 'otherJob' | 'otherPort' | 'marker'>;

/** Pods that are up. */
export interface VantagePoints {
  readonly targets: SurroundingTargets;
  /** ports on which somebody listens on the node's address */
  readonly nodePorts: readonly number[];
  /** Runs a program of attempts there. @returns what became of each */
  attack(from: Vantage, program: string): Promise<Readonly<Record<string, AttackOutcome>>>;
  close(): Promise<void>;
}

/** The metadata address of clouds, a name server of the link as nodes have it, and one that documents may use (RFC 5737). */
const standIns = { metadata: '169.254.169.254', linkLocal: '169.254.20.10', outside: '203.0.113.53' } as const;

const serve = `
const http = require('node:http'), net = require('node:net'), dgram = require('node:dgram');
const die = (err) => { console.error(err); process.exit(1) };
const page = (port, host) => http.createServer((_req, res) => res.end('here')).on('error', die).listen({ port, host, reusePort: true });
const stream = (port, host) => net.createServer((socket) => socket.on('error', () => {}).pipe(socket)).on('error', die).listen({ port, host, reusePort: true });
const echo = (port, address, type = 'udp4') => {
  const socket = dgram.createSocket({ type, reusePort: true });
  socket.on('error', die).on('message', (bytes, from) => socket.send(bytes, from.port, from.address)).bind({ port, address });
};
const tool = (...args) => require('node:child_process').execFileSync('/bin/busybox', args, { encoding: 'utf8' });
`;

const serverProgram = `${serve}
for (const address of ${JSON.stringify(Object.values(standIns))}) tool('ip', 'address', 'add', address + '/32', 'dev', 'lo');
page(${ports.page}, '0.0.0.0'); page(${ports.plainPage}, '0.0.0.0'); stream(${ports.names}, '0.0.0.0');
echo(${ports.echo}, '0.0.0.0'); echo(${ports.names}, '0.0.0.0');`;

/** Routes go by themselves with the device of the pod that they lead to; the metric lets two runs have them at once. */
const nodeProgram = (metric: number): string => `${serve}
const [node, server] = [process.env.NODE_ADDRESS, process.env.SERVER_ADDRESS];
const device = / dev (\\S+)/.exec(tool('ip', 'route', 'get', server))[1];
for (const address of ${JSON.stringify(Object.values(standIns))})
  tool('ip', 'route', 'add', address + '/32', 'dev', device, 'metric', '${metric}');
page(${ports.etcd}, node); page(${ports.readOnlyKubelet}, node); stream(${ports.names}, node);
echo(${ports.echo}, node); echo(${ports.names}, node); echo(${ports.multicast}, '::', 'udp6');`;

interface PodWish {
  readonly image: string;
  readonly program: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly securityContext?: V1Container['securityContext'];
  readonly onNode?: boolean;
}

const aPod = (name: string, { image, program, env = {}, securityContext = {}, onNode = false }: PodWish): V1Pod => ({
  metadata: { name, labels: { role: name } },
  spec: {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 0,
    hostNetwork: onNode,
    hostPID: onNode,
    containers: [
      {
        ...{ name, image, imagePullPolicy: 'IfNotPresent', securityContext },
        command: ['node', '-e', program],
        env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
        resources: { requests: { cpu: '1m', memory: '1Mi' }, limits: { memory: '256Mi' } },
      },
    ],
  },
});

/** Waits until a pod runs. @returns its address */
const untilRuns = (core: CoreV1Api, namespace: string, name: string): Promise<string> =>
  eventually(
    `the pod ${name} runs`,
    async () => {
      const { status } = await core.readNamespacedPod({ namespace, name });
      if (status?.phase === 'Failed') throw new Error(await core.readNamespacedPodLog({ namespace, name }));
      return status?.phase === 'Running' ? status.podIP : undefined;
    },
    startPatienceMs,
  );

const startPods = async (core: CoreV1Api, namespace: string, image: string, node: string): Promise<string> => {
  const start = async (name: string, wish: PodWish): Promise<string> => {
    await core.createNamespacedPod({ namespace, body: aPod(name, wish) });
    return untilRuns(core, namespace, name);
  };
  const neighbour = start('neighbour', { image, program: 'setInterval(() => undefined, 1e6)' });
  const server = await start('server', { image, program: serverProgram, securityContext: { capabilities: { add: ['NET_ADMIN'] } } });
  const env = { NODE_ADDRESS: node, SERVER_ADDRESS: server };
  const program = nodeProgram(1_000 + randomBytes(2).readUInt16LE());
  await start('node', { image, program, env, securityContext: { privileged: true }, onNode: true });
  await neighbour;
  return server;
};

/** A service in front of the server pod; the node answers for it as well. */
const startService = async (core: CoreV1Api, namespace: string): Promise<Pick<ClusterTargets, 'service' | 'nodePort'>> => {
  const { spec } = await core.createNamespacedService({
    namespace,
    body: {
      metadata: { name: 'server' },
      spec: {
        ...{ type: 'NodePort', selector: { role: 'server' } },
        ports: [
          { name: 'page', port: 80, targetPort: ports.page },
          { name: 'echo', port: ports.echo, protocol: 'UDP' },
        ],
      },
    },
  });
  return { service: spec?.clusterIP ?? '', nodePort: spec?.ports?.find(({ name }) => name === 'page')?.nodePort ?? 0 };
};

const describeCluster = async (core: CoreV1Api, kubeconfig: KubeConfig, { nodeAddress }: Pick<Cluster, 'nodeAddress'>) => {
  const inSystem = { namespace: 'kube-system' };
  const [nodes, api, dns, dnsPods] = await Promise.all([
    core.listNode(),
    core.readNamespacedService({ namespace: 'default', name: 'kubernetes' }),
    core.readNamespacedService({ ...inSystem, name: 'kube-dns' }),
    core.listNamespacedPod({ ...inSystem, labelSelector: 'k8s-app=kube-dns' }),
  ]);
  const node = nodes.items[0]?.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? '';
  return {
    ...{ node, machine: nodeAddress, ...standIns },
    apiPort: Number(new URL(kubeconfig.getCurrentCluster()?.server ?? '').port),
    apiService: api.spec?.clusterIP ?? '',
    dnsService: dns.spec?.clusterIP ?? '',
    dnsPod: dnsPods.items.find(({ status }) => status?.phase === 'Running')?.status?.podIP ?? '',
  };
};

/** A token of an account that may do nothing. */
const aToken = async (core: CoreV1Api, namespace: string): Promise<string> => {
  const body = { spec: { audiences: [], expirationSeconds: 3_600 } };
  const { status } = await core.createNamespacedServiceAccountToken({ name: 'default', namespace, body });
  return status?.token ?? '';
};

/** Starts them, in a namespace that goes with this process. @param image with `node` and busybox */
export const startVantagePoints = async (cluster: Cluster, image: string, containerdSocket: string): Promise<VantagePoints> => {
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  const namespace = createInstanceName();
  const run = (pod: string, script: string, ...args: readonly string[]): Promise<string> =>
    cluster.kubectl(['exec', '-n', namespace, pod, '--', '/bin/busybox', 'sh', '-c', script, 'sh', ...args]);
  const close = async (): Promise<void> => {
    await core.deleteNamespace({ name: namespace });
  };
  try {
    await core.createNamespace({ body: { metadata: { name: namespace } } });
    await eventually('the namespace has its account', () => core.readNamespacedServiceAccount({ name: 'default', namespace }));
    const known = await describeCluster(core, config, cluster);
    const server = await startPods(core, namespace, image, known.node);
    const [service, token] = await Promise.all([startService(core, namespace), aToken(core, namespace)]);
    const sockets = await run('node', 'busybox cat /proc/net/tcp /proc/net/tcp6');
    return {
      targets: { ...known, ...service, server, token, containerdSocket, loopbackPorts: listeningPortsIn(sockets, '127.0.0.1') },
      nodePorts: listeningPortsIn(sockets, known.node),
      attack: async (from, program) => JSON.parse(await run(from, attackScript, program)) as Readonly<Record<string, AttackOutcome>>,
      close,
    };
  } catch (err) {
    await close().catch(() => undefined);
    throw err;
  }
};

/** The places and variables that a program of attempts finds in a pod of a job. */
const attackScript = `busybox mkdir -p /data/outputs /.c2d /tmp && busybox cp /bin/busybox /.c2d/busybox &&
DIDS='["none"]' HOST_PORTS='[]' node -e "$1" >&2 && busybox cat /data/outputs/outcomes.json`;
