/** What runs in every cluster besides Kubernetes itself: the name server, and the class of volumes. Pure. */

import type { KubernetesObject } from '@kubernetes/client-node';

/** Name of the class that `ephemeral` volumes can ask for; the default one. */
export const storageClassName = 'local';
/** What provisions them, for `storageClassName`. */
export const provisionerName = 'durable-c2d.test/folders';

const labels = { 'k8s-app': 'kube-dns' };
const account = { name: 'coredns', namespace: 'kube-system' };

/** Names of the cluster are answered; all others do not exist, as there is nobody to ask. */
const corefile = `cluster.local:53 in-addr.arpa:53 {
    errors
    ready :8181
    kubernetes cluster.local in-addr.arpa {
        pods insecure
        ttl 5
    }
}
.:53 {
    template ANY ANY {
        rcode NXDOMAIN
    }
}
`;

/** Objects that are applied to a new cluster. */
export const listAddons = (dns: string, coreDnsImage: string): readonly KubernetesObject[] => [
  ...listNameServer(dns, coreDnsImage),
  {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: storageClassName, annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    ...{ provisioner: provisionerName, reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' },
  },
];

const listNameServer = (dns: string, image: string): readonly KubernetesObject[] => [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: account },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'coredns' },
    ...{
      rules: [
        { apiGroups: [''], resources: ['services', 'namespaces', 'pods'], verbs: ['list', 'watch'] },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
      ],
    },
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'coredns' },
    ...{
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'coredns' },
      subjects: [{ kind: 'ServiceAccount', ...account }],
    },
  },
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: account, ...{ data: { Corefile: corefile } } },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kube-dns', namespace: 'kube-system', labels },
    ...{
      spec: {
        clusterIP: dns,
        selector: labels,
        ports: [
          { name: 'dns', protocol: 'UDP', port: 53 },
          { name: 'dns-tcp', protocol: 'TCP', port: 53 },
        ],
      },
    },
  },
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { ...account, labels },
    ...{ spec: { replicas: 1, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: nameServerPod(image) } } },
  },
];

const nameServerPod = (image: string): object => ({
  serviceAccountName: account.name,
  dnsPolicy: 'Default',
  priorityClassName: 'system-cluster-critical',
  containers: [
    {
      name: 'coredns',
      image,
      imagePullPolicy: 'IfNotPresent',
      args: ['-conf', '/etc/coredns/Corefile'],
      volumeMounts: [{ name: 'settings', mountPath: '/etc/coredns', readOnly: true }],
      readinessProbe: { httpGet: { path: '/ready', port: 8181 }, periodSeconds: 1 },
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { add: ['NET_BIND_SERVICE'], drop: ['ALL'] },
      },
    },
  ],
  volumes: [{ name: 'settings', configMap: { name: account.name } }],
});
