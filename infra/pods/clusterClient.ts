/** The few calls to a cluster that pods need: each with a time limit, repeated where the API asks for it. */

import { setTimeout as pause } from 'node:timers/promises';
import { CoreV1Api, KubeConfig, ServerConfiguration, Watch, createConfiguration, type V1Pod, type V1Secret } from '@kubernetes/client-node';
import { clusterFailure, hasClusterStatus, momentaryDelay } from './clusterFailure.ts';

/** One change as a watch tells it. */
export interface PodEvent {
  readonly type: string;
  readonly object: unknown;
}

/** Pods of one namespace, and secrets to pull their images with. Every failure is one of our own words: what the cluster answers may repeat what was sent. */
export interface ClusterClient {
  /** `https://host:port` of the API */
  readonly url: string;
  /** @returns null when an object of that name exists already */
  create(pod: V1Pod): Promise<V1Pod | null>;
  /** Tolerates one of that name that exists already; needs the right to create secrets. */
  createSecret(secret: V1Secret): Promise<void>;
  /** Tolerates one that is gone; needs the right to delete secrets. */
  removeSecret(name: string): Promise<void>;
  read(name: string): Promise<V1Pod | undefined>;
  /** Only the pod with this uid. Tolerates one that is gone, or that has a successor of its name. */
  remove(name: string, uid: string, graceSeconds?: number): Promise<void>;
  list(labelSelector: string): Promise<{ readonly pods: readonly V1Pod[]; readonly resourceVersion: string }>;
  /** Resolves when the connection has ended, for whatever reason; rejects with the server's refusal. */
  watch(request: WatchRequest, onEvent: (event: PodEvent) => void): Promise<void>;
  /** A read that fails where the cluster is away or refuses this service. */
  check(): Promise<void>;
}

export interface WatchRequest {
  readonly labelSelector: string;
  readonly resourceVersion: string;
  readonly signal: AbortSignal;
}

export interface ClusterClientOptions {
  /** absent: the service account of the pod that this process runs in */
  readonly kubeconfigPath?: string;
  readonly namespace: string;
}

const callMs = 10_000;
const pageSize = 500;
/** the server ends a watch after this long; a new one goes on where it ended */
const watchSeconds = 240;

/** @throws Error when there is no such kubeconfig, or no service account */
export const connectCluster = ({ kubeconfigPath, namespace }: ClusterClientOptions): ClusterClient => {
  const config = new KubeConfig();
  if (kubeconfigPath === undefined) config.loadFromCluster();
  else config.loadFromFile(kubeconfigPath);
  const core = coreApi(config);
  const read = (name: string): Promise<V1Pod | undefined> => call(() => unless404(core.readNamespacedPod({ namespace, name })));
  return {
    url: config.getCurrentCluster()?.server ?? '',
    create: (pod) =>
      call(async () => {
        try {
          return await core.createNamespacedPod({ namespace, body: pod });
        } catch (err) {
          if (hasClusterStatus(err, 409)) return null;
          throw err;
        }
      }),
    createSecret: (secret) =>
      call(async () => {
        await core.createNamespacedSecret({ namespace, body: secret }).catch((err: unknown) => {
          if (!hasClusterStatus(err, 409)) throw err;
        });
      }),
    removeSecret: (name) => call(async () => void (await unless404(core.deleteNamespacedSecret({ namespace, name })))),
    read,
    async remove(name, uid, graceSeconds) {
      const body = { preconditions: { uid }, ...(graceSeconds !== undefined && { gracePeriodSeconds: graceSeconds }) };
      await call(async () => {
        try {
          await unless404(core.deleteNamespacedPod({ namespace, name, body }));
        } catch (err) {
          // also answered when the pod has just changed: then it is still this one, and asked again
          if (!hasClusterStatus(err, 409) || (await read(name))?.metadata?.uid === uid) throw err;
        }
      });
    },
    list: (labelSelector) => listAll(core, namespace, labelSelector),
    watch: (request, onEvent) => watchPods(config, namespace, request, onEvent),
    async check() {
      await call(() => core.listNamespacedPod({ namespace, limit: 1 }), 0);
    },
  };
};

const coreApi = (config: KubeConfig): CoreV1Api => {
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) throw new Error('the kubeconfig names no cluster');
  return new CoreV1Api(
    createConfiguration({
      baseServer: new ServerConfiguration(server, {}),
      authMethods: { default: config },
      promiseMiddleware: [
        {
          async pre(context) {
            context.setSignal(AbortSignal.timeout(callMs));
            return context;
          },
          post: async (context) => context,
        },
      ],
    }),
  );
};

const unless404 = async <Result>(answer: Promise<Result>): Promise<Result | undefined> => {
  try {
    return await answer;
  } catch (err) {
    if (hasClusterStatus(err, 404)) return undefined;
    throw err;
  }
};

/** A refusal that passes is waited out here for a moment; what lasts longer is the workflow's to wait for. */
const call = async <Result>(work: () => Promise<Result>, repetitions = 3): Promise<Result> => {
  for (let failures = 0; ; failures += 1) {
    try {
      return await work();
    } catch (err) {
      const delaySeconds = momentaryDelay(err);
      if (delaySeconds === undefined || failures >= repetitions) throw clusterFailure(err);
      await pause(Math.max(delaySeconds * 1_000, 100 * 2 ** failures) * (1 + Math.random() * 0.3));
    }
  }
};

const listAll = async (core: CoreV1Api, namespace: string, labelSelector: string): ReturnType<ClusterClient['list']> => {
  const pods: V1Pod[] = [];
  for (let token: string | undefined; ;) {
    const page = await call(() =>
      core.listNamespacedPod({ namespace, labelSelector, limit: pageSize, ...(token !== undefined && { _continue: token }) }),
    );
    pods.push(...page.items);
    token = page.metadata?._continue;
    if (token === undefined || token === '') return { pods, resourceVersion: page.metadata?.resourceVersion ?? '' };
  }
};

const watchPods = async (
  config: KubeConfig,
  namespace: string,
  { labelSelector, resourceVersion, signal }: WatchRequest,
  onEvent: (event: PodEvent) => void,
): Promise<void> => {
  const ended = Promise.withResolvers<void>();
  const query = { labelSelector, resourceVersion, allowWatchBookmarks: true, timeoutSeconds: watchSeconds };
  const connection = await new Watch(config).watch(
    `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`,
    query,
    (type, object: unknown) => onEvent({ type, object }),
    // an idle connection is given up by the client after half a minute: no failure
    (err: unknown) =>
      err === null || err === undefined || hasName(err, 'TimeoutError') ? ended.resolve() : ended.reject(clusterFailure(err)),
  );
  const abort = (): void => connection.abort();
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    await ended.promise;
  } finally {
    signal.removeEventListener('abort', abort);
  }
};

const hasName = (err: unknown, name: string): boolean => err instanceof Error && err.name === name;
