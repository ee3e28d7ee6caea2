/**
 * What a hostile algorithm would try on a cluster. As in attacks.ts each attempt is the body of an async function that
 * returns something truthy when it got what it wanted; here each also names a vantage point from which it succeeds, so
 * that silence cannot pass for a refusal. Nothing here harms whoever lets it succeed.
 */

import { attackProgram } from './attacks.ts';
import { networkPrelude } from './attackNetwork.ts';
import { kernelAttacks, kernelPrelude } from './kernelAttacks.ts';

/** `neighbour`: an ordinary pod of another namespace; `node`: a privileged pod in the node's own network and processes. */
export type Vantage = 'neighbour' | 'node';

/** Where everything is that must not be reached. */
export interface ClusterTargets {
  readonly node: string;
  /** this machine, where the gateway listens */
  readonly machine: string;
  /** a port of this machine's address on which somebody listens, over TCP */
  readonly machinePort: number;
  /** the gateway's port, on which somebody else answers datagrams */
  readonly gatewayPort: number;
  readonly canaryPort: number;
  readonly apiService: string;
  readonly apiPort: number;
  readonly dnsService: string;
  readonly dnsPod: string;
  /** a pod that serves pages, echoes and names; the three addresses below are its as well */
  readonly server: string;
  readonly metadata: string;
  readonly linkLocal: string;
  readonly outside: string;
  readonly service: string;
  readonly nodePort: number;
  /** the algorithm of another job, which serves a page */
  readonly otherJob: string;
  readonly otherPort: number;
  /** name of a file in the other job's outputs */
  readonly marker: string;
  /** a token of a service account without any right, for the cluster's API */
  readonly token: string;
  readonly containerdSocket: string;
  /** ports of the node's loopback on which somebody listens */
  readonly loopbackPorts: readonly number[];
}

/** Ports on which the server pod, and stand-ins on the node, answer. */
export const ports = {
  page: 8_080,
  plainPage: 80,
  echo: 8_081,
  names: 53,
  multicast: 8_083,
  etcd: 2_379,
  readOnlyKubelet: 10_255,
} as const;

type Attempts = Readonly<Record<string, string>>;

/** Tried together; none of them blocks. */
const reachedByNeighbours: Attempts = {
  'reaches the API by its service': `return connects(443, t.apiService)`,
  'reaches the API by the address of the node': `return connects(t.apiPort, t.node)`,
  'asks the API as nobody': `return asks('https://' + t.apiService + '/version')`,
  'asks the API with a token that counts': `return asks('https://' + t.apiService + '/api', { authorization: 'Bearer ' + t.token })`,
  'asks the API on the node with a token that counts': `
    return asks('https://' + t.node + ':' + t.apiPort + '/api', { authorization: 'Bearer ' + t.token })`,
  'reaches the kubelet': `return connects(10250, t.node)`,
  'asks the kubelet for its pods': `return asks('https://' + t.node + ':10250/pods', { authorization: 'Bearer ' + t.token })`,
  'reaches the read-only port of a kubelet': `return connects(${ports.readOnlyKubelet}, t.node)`,
  'reaches the health port of the kubelet': `return asks('http://' + t.node + ':10248/healthz')`,
  'reaches the health port of the proxy': `return asks('http://' + t.node + ':10256/healthz')`,
  'reaches etcd on the node': `return connects(${ports.etcd}, t.node)`,
  'reads the metrics of etcd': `return asks('http://' + t.node + ':2381/metrics')`,
  'reaches a pod of another namespace': `return asks('http://' + t.server + ':${ports.page}/')`,
  'reaches a pod by an IPv6 name of its address': `return connects(${ports.page}, '::ffff:' + t.server)`,
  'reaches a service': `return asks('http://' + t.service + '/')`,
  'reaches a port of the node that leads to a service': `return asks('http://' + t.node + ':' + t.nodePort + '/')`,
  'sends datagrams to a pod': `return echoes(${ports.echo}, t.server)`,
  'sends datagrams to a service': `return echoes(${ports.echo}, t.service)`,
  'sends datagrams to the node': `return echoes(${ports.echo}, t.node)`,
  'asks the name server of the cluster over UDP': `return asksName(t.dnsService)`,
  'asks the name server of the cluster over TCP': `return asksNameOverTcp(t.dnsService)`,
  'asks the pod of the name server': `return asksName(t.dnsPod)`,
  'asks a name server on the node over UDP': `return asksName(t.node)`,
  'asks a name server on the node over TCP': `return asksNameOverTcp(t.node)`,
  'asks a name server outside over UDP': `return asksName(t.outside)`,
  'asks a name server outside over TCP': `return asksNameOverTcp(t.outside)`,
  'asks a name server of the link': `return asksName(t.linkLocal)`,
  'resolves a name of the cluster': `return (await dns.lookup('kubernetes.default.svc.cluster.local')).address`,
  'reads the metadata of a cloud': `return asks('http://' + t.metadata + '/latest/meta-data/')`,
  'reaches an address outside': `return asks('http://' + t.outside + '/')`,
  'reaches the canary of the gateway': `return connects(t.canaryPort, t.machine)`,
  'reaches another port beside the gateway': `return connects(t.machinePort, t.machine)`,
  'sends datagrams to the port of the gateway': `return echoes(t.gatewayPort, t.machine)`,
};

const reachedByTheNode: Attempts = {
  'reaches the API on the loopback of the node': `return connects(t.apiPort, '127.0.0.1')`,
  'reaches etcd on the loopback of the node': `return connects(2379, '127.0.0.1')`,
  // among them the port from which containerd streams terminals
  'reaches anything else on the loopback of the node': `
    return (await Promise.allSettled(t.loopbackPorts.map((port) => connects(port, '127.0.0.1')))).some(({ status }) => status === 'fulfilled')`,
  'reaches the algorithm of another job': `return asks('http://' + t.otherJob + ':' + t.otherPort + '/')`,
  'sends to every node of the link over IPv6': `return echoes(${ports.multicast}, 'ff02::1%eth0')`,
  'reaches containerd': `
    for (const file of [t.containerdSocket, '/proc/1/root' + t.containerdSocket]) try { return await connects(file) } catch {}`,
};

const agentsPrelude = `
const agents = () => pids().filter((pid) => { try { return fs.readFileSync('/proc/' + pid + '/cmdline', 'latin1').includes('/agent/main.cjs') } catch { return false } });
`;

/** Tried one after the other. */
const filesAndProcesses: Readonly<Record<Vantage, Attempts>> = {
  neighbour: {
    'finds a token of the cluster in its files': `
      return ['/var/run', '/run'].find((folder) => fs.existsSync(folder + '/secrets/kubernetes.io/serviceaccount/token'))`,
    'finds services in its environment': `return Object.keys(process.env).find((name) => /_SERVICE_HOST$|_PORT_\\d+_TCP/.test(name))`,
    'finds a name server in its settings': `return /^nameserver (?!127\\.)/m.test(fs.readFileSync('/etc/resolv.conf', 'utf8'))`,
    'pings a pod': `tool('ping', '-c', '1', '-W', '1', t.server); return true`,
    'pings the node': `tool('ping', '-c', '1', '-W', '1', t.node); return true`,
    'asks its neighbours for addresses by ARP': `tool('arping', '-c', '1', '-w', '1', '-I', 'eth0', routeGateway()); return true`,
    'has root as a user, or a group of root': `return process.getuid() === 0 || process.getgroups().includes(0)`,
  },
  node: {
    'adds an address to its interface': `
      tool('ip', 'address', 'add', '203.0.113.99/32', 'dev', 'lo'); tool('ip', 'address', 'del', '203.0.113.99/32', 'dev', 'lo'); return true`,
    'adds a route': `
      tool('ip', 'route', 'add', 'blackhole', '203.0.113.98/32'); tool('ip', 'route', 'del', 'blackhole', '203.0.113.98/32'); return true`,
    'sees the agent': `return agents().length > 0`,
    'reads the token of an agent': `return agents().find((pid) => /C2D_TOKEN=/.test(fs.readFileSync('/proc/' + pid + '/environ', 'latin1')))`,
    'sends a signal to an agent': `return agents().find((pid) => process.kill(Number(pid), 0))`,
    'reads the files of an agent': `return agents().find((pid) => fs.existsSync('/proc/' + pid + '/root/agent/main.cjs'))`,
    'reads the state of an agent': `
      return ['', ...agents().map((pid) => '/proc/' + pid + '/root')].find((root) => {
        try { return JSON.parse(fs.readFileSync(root + '/.c2d/agent-state.json', 'utf8')).nonce } catch { return false }
      })`,
    'reads the outputs of another job': `
      const roots = ['', ...pids().map((pid) => '/proc/' + pid + '/root')];
      return roots.find((root) => {
        try { return fs.readdirSync(root + '/data/outputs').includes(t.marker) } catch { return false }
      }) !== undefined`,
    'lists the volumes of all pods': `
      return ['', '/proc/1/root'].find((root) => { try { return fs.readdirSync(root + '/var/lib/kubelet/pods').length > 0 } catch { return false } }) !== undefined`,
    'lists the containers of all pods': `
      return ['', '/proc/1/root'].find((root) => { try { return fs.readdirSync(root + '/run/containerd').length > 0 } catch { return false } }) !== undefined`,
    'sees sockets of containerd': `return /containerd/.test(fs.readFileSync('/proc/net/unix', 'utf8'))`,
    'sees processes of the node': `return pids().find((pid) => /kubelet|kube-apiserver/.test(fs.readFileSync('/proc/' + pid + '/cmdline', 'latin1')))`,
    'shares the network of the node': `return Object.keys(os.networkInterfaces()).some((name) => /^veth/.test(name))`,
    'opens the disks of the node': `return fs.readdirSync('/dev').find((name) => fs.lstatSync('/dev/' + name).isBlockDevice() && fs.closeSync(fs.openSync('/dev/' + name, 'r')) === undefined)`,
    'makes a device node': `tool('mknod', '/tmp/c2d-null', 'c', '1', '3'); fs.unlinkSync('/tmp/c2d-null'); return true`,
    'mounts a file system': `fs.mkdirSync('/tmp/c2d-mount', { recursive: true }); tool('mount', '-t', 'tmpfs', 'none', '/tmp/c2d-mount'); tool('umount', '/tmp/c2d-mount'); return true`,
    'writes where the kernel runs programs of root': `fs.closeSync(fs.openSync('/proc/sys/kernel/core_pattern', 'r+')); return true`,
    ...kernelAttacks,
  },
};

/** Names of all attempts that succeed from that vantage point; each completes "an algorithm never …". */
export const attemptsOf = (vantage: Vantage): readonly string[] => [
  ...Object.keys(togetherFrom(vantage)),
  ...Object.keys(filesAndProcesses[vantage]),
];

const togetherFrom = (vantage: Vantage): Attempts => (vantage === 'neighbour' ? reachedByNeighbours : reachedByTheNode);

/** A program that makes the attempts of those vantage points. @param more further attempts, made after them */
export const clusterAttackProgram = (targets: ClusterTargets, vantages: readonly Vantage[], more: Attempts = {}): string =>
  attackProgram(Object.assign({}, ...vantages.map((vantage) => filesAndProcesses[vantage]), more) as Attempts, {
    atOnce: Object.assign({}, ...vantages.map(togetherFrom)) as Attempts,
    before: `const t = ${JSON.stringify(targets)};\n${networkPrelude}${agentsPrelude}${kernelPrelude}`,
  });
