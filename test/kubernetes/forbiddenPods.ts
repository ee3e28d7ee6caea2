/** Pods that the namespace of jobs takes from nobody, asked for with the rights that the service has. */

import { ApiException, CoreV1Api, KubeConfig, type V1PodSpec } from '@kubernetes/client-node';

const container = (image: string): V1PodSpec['containers'][number] => ({
  ...{ name: 'one', image, imagePullPolicy: 'IfNotPresent' },
  securityContext: {
    ...{ allowPrivilegeEscalation: false, runAsNonRoot: true, runAsUser: 1_000, capabilities: { drop: ['ALL'] } },
    seccompProfile: { type: 'RuntimeDefault' },
  },
});

const wishes = (image: string): Readonly<Record<string, V1PodSpec>> => {
  const plain = container(image);
  const containers = [plain];
  return {
    'nothing special': { containers },
    'a privileged container': { containers: [{ ...plain, securityContext: { privileged: true } }] },
    'a folder of the node': { containers, volumes: [{ name: 'node', hostPath: { path: '/' } }] },
    'the network of the node': { containers, hostNetwork: true },
    'the processes of the node': { containers, hostPID: true },
    root: { containers: [{ ...plain, securityContext: { ...plain.securityContext, runAsUser: 0, runAsNonRoot: false } }] },
    'more capabilities': { containers: [{ ...plain, securityContext: { ...plain.securityContext, capabilities: { add: ['NET_RAW'] } } }] },
    'no filter for system calls': {
      containers: [{ ...plain, securityContext: { ...plain.securityContext, seccompProfile: { type: 'Unconfined' } } }],
    },
  };
};

/** Asks without making any. @returns the cluster's words for each, `accepted` if it would have made it */
export const askForForbiddenPods = async (
  kubeconfig: string,
  namespace: string,
  image: string,
): Promise<Readonly<Record<string, string>>> => {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  const ask = async (spec: V1PodSpec): Promise<string> => {
    try {
      await core.createNamespacedPod({ namespace, body: { metadata: { name: 'forbidden' }, spec }, dryRun: 'All' });
      return 'accepted';
    } catch (err) {
      if (!(err instanceof ApiException)) throw err;
      return String(err.body);
    }
  };
  const answers = Object.entries(wishes(image)).map(async ([name, spec]) => [name, await ask(spec)] as const);
  return Object.fromEntries(await Promise.all(answers));
};
