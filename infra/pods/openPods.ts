/** The runtime that the configuration names. */

import type { PodRuntime } from '../../workflows/contract/pod.ts';
import { dockerSettingsOf, kubernetesSettingsOf, type PodConfig } from './config.ts';

/** Pods, and whether whatever runs them is there. */
export interface OpenedPods {
  readonly pods: PodRuntime;
  /** @throws Error when engine or cluster cannot be reached, or refuse this service */
  check(): Promise<void>;
  /** `https://host:port` of the API of the cluster; null without one */
  readonly clusterUrl: string | null;
}

/**
 * @param config checked by `requireGatewayRoute`. Only the client of the runtime that is used is loaded: the
 *   cluster's alone takes longer than everything else of a start
 */
export const openPods = async (config: PodConfig): Promise<OpenedPods> =>
  config.C2D_RUNTIME === 'kubernetes' ? openCluster(config) : openEngine(config);

const openEngine = async (config: PodConfig): Promise<OpenedPods> => {
  const [{ default: Docker }, { dockerPods }] = await Promise.all([import('dockerode'), import('./docker.ts')]);
  const docker = new Docker({ socketPath: config.C2D_DOCKER_SOCKET });
  return {
    pods: dockerPods({ docker, settings: dockerSettingsOf(config) }),
    check: async () => void (await docker.ping()),
    clusterUrl: null,
  };
};

const openCluster = async (config: PodConfig): Promise<OpenedPods> => {
  const [{ connectCluster }, { kubernetesPods }] = await Promise.all([import('./clusterClient.ts'), import('./kubernetes.ts')]);
  const cluster = connectCluster({
    namespace: config.C2D_KUBERNETES_NAMESPACE ?? '',
    ...(config.C2D_KUBECONFIG !== undefined && { kubeconfigPath: config.C2D_KUBECONFIG }),
  });
  return {
    pods: kubernetesPods({ cluster, settings: kubernetesSettingsOf(config), gatewayUrl: config.C2D_GATEWAY_URL ?? '' }),
    check: () => cluster.check(),
    clusterUrl: cluster.url,
  };
};
