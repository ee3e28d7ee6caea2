/** How each part of a cluster is started. Pure: everything that is decided about flags and files is here. */

import path from 'node:path';
import type { ClusterAddresses } from './addresses.ts';
import { nodeName, type Credentials } from './credentials.ts';

/** What the settings depend on. */
export interface ClusterPlan {
  /** the cluster's folder */
  readonly folder: string;
  readonly addresses: ClusterAddresses;
  readonly credentials: Credentials;
  /** below which the pods' control groups are made */
  readonly controlGroup: string;
  /** image of the container that holds a pod's network */
  readonly pauseImage: string;
  /** folder with the network plugins that `networkPlugins` names */
  readonly pluginFolder: string;
  /** file in the kubelet's folder `seccomp`; undefined: there is none */
  readonly seccompProfile: string | undefined;
}

/** Where containerd listens. Its images can be changed from outside of the node's machine. */
export const containerdSocket = (folder: string): string => path.join(folder, 'containerd.sock');

/** Folder with one folder for each registry that is spoken to in a special way. */
export const registriesFolder = (folder: string): string => path.join(folder, 'registries');

/** etcd: what it has is lost with the cluster anyway, so a crash of this machine need not be survived. */
export const etcdArguments = ({ folder, addresses }: ClusterPlan): readonly string[] => [
  `--data-dir=${path.join(folder, 'etcd')}`,
  '--listen-client-urls=http://127.0.0.1:2379',
  '--advertise-client-urls=http://127.0.0.1:2379',
  '--listen-peer-urls=http://127.0.0.1:2380',
  `--listen-metrics-urls=http://${addresses.node}:2381`,
  '--logger=zap',
  '--log-level=error',
];

/** Where the API server writes down what service accounts do with pods: a JSON text a line. */
export const auditLog = (folder: string): string => path.join(folder, 'logs', 'audit.log');

/** The file that `apiServerArguments` names. */
export const auditPolicy: object = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'Metadata', userGroups: ['system:serviceaccounts'], resources: [{ group: '', resources: ['pods', 'pods/*'] }] },
    { level: 'None' },
  ],
};

export const apiServerArguments = ({ folder, addresses, credentials }: ClusterPlan): readonly string[] => [
  '--etcd-servers=http://127.0.0.1:2379',
  '--bind-address=0.0.0.0',
  `--advertise-address=${addresses.node}`,
  `--tls-cert-file=${credentials.serverCertificate}`,
  `--tls-private-key-file=${credentials.serverKey}`,
  `--client-ca-file=${credentials.authority}`,
  `--token-auth-file=${credentials.tokens}`,
  '--authorization-mode=Node,RBAC',
  '--enable-admission-plugins=NodeRestriction',
  '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
  `--service-account-key-file=${credentials.accountKey}`,
  `--service-account-signing-key-file=${credentials.accountKey}`,
  `--service-cluster-ip-range=${addresses.serviceCidr}`,
  `--kubelet-client-certificate=${credentials.clientCertificate}`,
  `--kubelet-client-key=${credentials.clientKey}`,
  '--kubelet-preferred-address-types=InternalIP',
  '--allow-privileged=true',
  `--audit-policy-file=${path.join(folder, 'audit.json')}`,
  `--audit-log-path=${auditLog(folder)}`,
  '--profiling=false',
];

/** A node that falls silent counts as not ready after 8 seconds instead of 50. */
export const controllerManagerArguments = ({ credentials }: ClusterPlan): readonly string[] => [
  `--kubeconfig=${credentials.kubeconfigs.controllerManager}`,
  `--service-account-private-key-file=${credentials.accountKey}`,
  `--root-ca-file=${credentials.authority}`,
  '--use-service-account-credentials=true',
  '--leader-elect=false',
  '--node-monitor-period=1s',
  '--node-monitor-grace-period=8s',
  '--profiling=false',
];

export const schedulerArguments = ({ credentials }: ClusterPlan): readonly string[] => [
  `--kubeconfig=${credentials.kubeconfigs.scheduler}`,
  '--leader-elect=false',
  '--profiling=false',
];

export const kubeletArguments = ({ folder, addresses, credentials }: ClusterPlan): readonly string[] => [
  `--kubeconfig=${credentials.kubeconfigs.kubelet}`,
  `--config=${path.join(folder, 'kubelet.json')}`,
  `--hostname-override=${nodeName}`,
  `--node-ip=${addresses.node}`,
];

/** The file that `kubeletArguments` names. */
export const kubeletConfiguration = ({ folder, addresses, credentials, controlGroup }: ClusterPlan): object => ({
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  containerRuntimeEndpoint: `unix://${containerdSocket(folder)}`,
  authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: credentials.authority } },
  authorization: { mode: 'Webhook' },
  readOnlyPort: 0,
  healthzBindAddress: addresses.node,
  clusterDNS: [addresses.dns],
  clusterDomain: 'cluster.local',
  // pods that do not ask the cluster's name server ask nobody
  resolvConf: '',
  cgroupDriver: 'cgroupfs',
  cgroupRoot: `/${controlGroup}`,
  failCgroupV1: false,
  enforceNodeAllocatable: [],
  failSwapOn: false,
  oomScoreAdj: 0,
  makeIPTablesUtilChains: false,
  // a node that dies is noticed as soon as a lease is overdue
  nodeLeaseDurationSeconds: 4,
  nodeStatusUpdateFrequency: '2s',
  // how soon a pod that fills the disk is noticed
  volumeStatsAggPeriod: '5s',
  evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1Gi', 'imagefs.available': '1Gi' },
  imageGCHighThresholdPercent: 100,
  imageGCLowThresholdPercent: 99,
  serializeImagePulls: false,
  registryPullQPS: 0,
  maxPods: 250,
  // what a fork bomb runs against: a pod cannot limit this itself
  podPidsLimit: 512,
});

/** containerd's settings file. Images come from `importImage` or from registries on this machine. */
export const containerdConfiguration = ({ folder, pauseImage, pluginFolder }: ClusterPlan): string => `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing",
]
[grpc]
  address = "${containerdSocket(folder)}"
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  # a machine without CAP_SYS_RESOURCE may not lower the score
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${pluginFolder}"
    conf_dir = "${path.join(folder, 'network')}"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "${registriesFolder(folder)}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
`;

/**
 * The network of a pod: a cable to the node, where every packet is routed and can be judged, also between two pods.
 * The second plugin lets no container start before the policies for its pod are in place.
 */
export const networkPlugins = ({ folder, addresses }: ClusterPlan): object => ({
  cniVersion: '0.4.0',
  name: 'c2d',
  plugins: [
    {
      type: 'ptp',
      ipMasq: false,
      ipam: { type: 'host-local', dataDir: '/run/addresses', ranges: [[{ subnet: addresses.podCidr }]], routes: [{ dst: '0.0.0.0/0' }] },
    },
    { type: 'c2d-policy', folder: path.join(folder, 'policies') },
  ],
});

export const proxyArguments = ({ folder }: ClusterPlan): readonly string[] => [`--config=${path.join(folder, 'proxy.json')}`];

/** The file that `proxyArguments` names. */
export const proxyConfiguration = ({ addresses, credentials }: ClusterPlan): object => ({
  apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
  kind: 'KubeProxyConfiguration',
  mode: 'nftables',
  hostnameOverride: nodeName,
  clientConnection: { kubeconfig: credentials.kubeconfigs.proxy },
  clusterCIDR: addresses.podCidr,
  bindAddress: addresses.node,
  healthzBindAddress: `${addresses.node}:10256`,
  // settings of the whole machine stay as they are
  conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  nftables: { minSyncPeriod: '100ms' },
});
