/**
 * Enforces the network policies of a test cluster: a fixture, for one node and addresses of version 4. It follows
 * pods, namespaces and policies, and replaces the node's firewall as a whole with every change.
 */

import { CoreV1Api, NetworkingV1Api, type KubeConfig, type V1Namespace, type V1NetworkPolicy, type V1Pod } from '@kubernetes/client-node';
import { messageOf } from '../../parts.ts';
import { openQuestionDesk, type Arrival } from './questions.ts';
import { enforcingRuleset, openRuleset } from './ruleset.ts';
import type { PolicyPod, PolicyScene } from './rules.ts';
import { watchKind, type LiveList } from './watch.ts';

/** What the enforcer needs. */
export interface EnforcerDeps {
  readonly config: KubeConfig;
  readonly podCidr: string;
  /** where the network plugin asks */
  readonly questionFolder: string;
  /** replaces the node's firewall */
  readonly apply: (ruleset: string) => Promise<void>;
  readonly onProblem: (line: string) => void;
}

/** A running enforcer. */
export interface PolicyEnforcer {
  /** Resolves when the policies count, or no longer do. */
  setEnforcing(isEnforcing: boolean): Promise<void>;
  close(): Promise<void>;
}

const retryDelayMs = 1_000;

interface Copies {
  readonly pods: LiveList<V1Pod>;
  readonly namespaces: LiveList<V1Namespace>;
  readonly policies: LiveList<V1NetworkPolicy>;
}

/** Starts enforcing, or not, and resolves when the first ruleset is in place. */
export const startEnforcer = async (deps: EnforcerDeps, isEnforcingAtFirst: boolean): Promise<PolicyEnforcer> => {
  let isEnforcing = isEnforcingAtFirst;
  const arrivals = new Map<string, Arrival>();
  const live: { copies?: Copies } = {};
  const writer = createWriter(async () => {
    if (live.copies === undefined) return;
    await deps.apply(isEnforcing ? enforcingRuleset(readScene(live.copies, arrivals), deps.podCidr) : openRuleset);
  }, deps.onProblem);
  const copies = await copyAll(deps.config, () => writer.request());
  live.copies = copies;
  await writer.write();
  const core = deps.config.makeApiClient(CoreV1Api);
  const admit = async (arrival: Arrival): Promise<void> => {
    await requirePod(copies.pods, core, arrival);
    arrivals.set(arrival.uid, arrival);
    await writer.write();
  };
  const desk = await openQuestionDesk(deps.questionFolder, admit);
  return {
    setEnforcing: async (wanted) => {
      isEnforcing = wanted;
      await writer.write();
    },
    close: async () => {
      desk.close();
      writer.close();
      for (const copy of [copies.pods, copies.namespaces, copies.policies]) copy.close();
    },
  };
};

const copyAll = async (config: KubeConfig, onChange: () => void): Promise<Copies> => {
  const [core, networking] = [config.makeApiClient(CoreV1Api), config.makeApiClient(NetworkingV1Api)];
  const [pods, namespaces, policies] = await Promise.all([
    watchKind<V1Pod>({ config, path: '/api/v1/pods', list: () => core.listPodForAllNamespaces() }, onChange),
    watchKind<V1Namespace>({ config, path: '/api/v1/namespaces', list: () => core.listNamespace() }, onChange),
    watchKind<V1NetworkPolicy>(
      { config, path: '/apis/networking.k8s.io/v1/networkpolicies', list: () => networking.listNetworkPolicyForAllNamespaces() },
      onChange,
    ),
  ]);
  return { pods, namespaces, policies };
};

/** A pod that our copy lacks may be newer than the copy: nothing may be decided about it before its labels are here. */
const requirePod = async (pods: LiveList<V1Pod>, core: CoreV1Api, { namespace, name, uid }: Arrival): Promise<void> => {
  for (let tries = 0; tries < 100; tries += 1) {
    if (pods.list().some(({ metadata }) => metadata?.uid === uid)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await core.readNamespacedPod({ namespace, name });
  throw new Error(`the pod ${namespace}/${name} is not in sight yet`);
};

const readScene = (copies: Copies, arrivals: Map<string, Arrival>): PolicyScene => {
  const present = new Set(copies.pods.list().map(({ metadata }) => metadata?.uid));
  for (const uid of arrivals.keys()) if (!present.has(uid)) arrivals.delete(uid);
  return {
    pods: copies.pods.list().flatMap((pod) => describePod(pod, arrivals)),
    namespaces: new Map(copies.namespaces.list().map(({ metadata }) => [metadata?.name ?? '', metadata?.labels ?? {}])),
    policies: copies.policies.list(),
  };
};

/** Nothing for a pod without an address of its own, and for one that has ended: its address may be another's. */
const describePod = ({ metadata, spec, status }: V1Pod, arrivals: ReadonlyMap<string, Arrival>): readonly PolicyPod[] => {
  const address = arrivals.get(metadata?.uid ?? '')?.address ?? status?.podIP;
  if (address === undefined || spec?.hostNetwork === true || status?.phase === 'Succeeded' || status?.phase === 'Failed') return [];
  const ports = (spec?.containers ?? []).flatMap((container) =>
    (container.ports ?? []).flatMap(({ name, protocol = 'TCP', containerPort }) =>
      name === undefined ? [] : [{ name, protocol, number: containerPort }],
    ),
  );
  return [{ namespace: metadata?.namespace ?? '', labels: metadata?.labels ?? {}, address, ports }];
};

/** Writes one after the other; requests while one is being written are one more. */
const createWriter = (write: () => Promise<void>, onProblem: (line: string) => void) => {
  let last: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  let isClosed = false;
  const writeNext = (): Promise<void> => {
    next ??= last
      .catch(() => undefined)
      .then(async () => {
        next = undefined;
        if (!isClosed) await write();
      });
    last = next;
    return next;
  };
  const request = (): void => {
    void writeNext().catch((err: unknown) => {
      onProblem(`the network policies could not be put in place: ${messageOf(err)}`);
      if (!isClosed) setTimeout(request, retryDelayMs).unref();
    });
  };
  return {
    /** Resolves when what is known now is in place. */
    write: writeNext,
    request,
    close: () => {
      isClosed = true;
    },
  };
};
