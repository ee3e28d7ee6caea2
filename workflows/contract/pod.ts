/** What a runtime must know to make a job's pod, and what it says about one. */

import type { FailureType } from './failures.ts';
import type { PodRef } from './job.ts';
import type { RegistryCredentials } from './spec.ts';

/** Everything about one execution pod. Never stored: built from the ledger when the pod is created. */
export interface PodSpec {
  readonly pod: PodRef;
  readonly environmentId: string;
  /** reference as the runtime takes it: `name@sha256:…`, `name:tag` */
  readonly image: string;
  /** with which that image is pulled, and nothing else; absent: without any */
  readonly registryCredentials?: RegistryCredentials;
  /** argv of the algorithm; null runs the image's own entrypoint and command */
  readonly command: readonly string[] | null;
  /** environment variables of the algorithm */
  readonly env: Readonly<Record<string, string>>;
  readonly resources: PodResources;
  /** the agent's bearer token; only the agent's container gets it */
  readonly token: string;
  /** seconds after which the runtime ends the pod whatever happens */
  readonly deadlineSeconds: number;
  /** how long the pod may take until its algorithm's container runs, image pull included */
  readonly createSeconds: number;
  /** between TERM and KILL when the algorithm is stopped */
  readonly graceSeconds: number;
  /** how long the agent may take to publish what a stopped algorithm left */
  readonly publishSeconds: number;
  /** where and as what the environment has its pods run; runtimes without nodes ignore it */
  readonly placement: PodPlacement;
  /** what judges the outputs before they leave, one after the other; at most {@link maxFilters} */
  readonly filters: readonly PodFilter[];
}

/** How many filters one pod can have: the agent's image has a folder for each. */
export const maxFilters = 8;

/**
 * A container of the pod that sees the outputs after the algorithm has ended, and may change them. They leave once all
 * filters have ended with exit code 0.
 */
export interface PodFilter {
  /** whose it is: `environment small`, or a DID */
  readonly by: string;
  /** reference as the runtime takes it */
  readonly image: string;
  /** argv */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cpu: number;
  readonly memoryBytes: number;
  /** how long it may take */
  readonly seconds: number;
  /** true: inputs, DDOs and logs are there as well, read-only; a filter that could not be trusted with them might copy them into the outputs */
  readonly seesInputs: boolean;
}

/** What an environment decides about pods of a cluster, in the cluster's own terms. */
export interface PodPlacement {
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly tolerations: readonly PodToleration[];
  readonly runtimeClassName: string | null;
  readonly priorityClassName: string | null;
  readonly labels: Readonly<Record<string, string>>;
  /** disks larger than this many bytes are volumes of `storageClassName` instead of the node's own disk; null: never */
  readonly volumeFromBytes: number | null;
  /** null: the cluster's default class */
  readonly storageClassName: string | null;
}

/** A placement that asks for nothing. */
export const anywhere: PodPlacement = {
  nodeSelector: {},
  tolerations: [],
  runtimeClassName: null,
  priorityClassName: null,
  labels: {},
  volumeFromBytes: null,
  storageClassName: null,
};

/** As a Kubernetes pod takes it. */
export interface PodToleration {
  readonly key?: string;
  readonly operator?: 'Exists' | 'Equal';
  readonly value?: string;
  readonly effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
  readonly tolerationSeconds?: number;
}

/** Hard limits of the algorithm's container. */
export interface PodResources {
  /** cores, may be a fraction */
  readonly cpu: number;
  readonly memoryBytes: number;
  /** inputs, outputs and logs together */
  readonly diskBytes: number;
  /** devices by their name in the cluster, e.g. `nvidia.com/gpu: 1`; empty for none */
  readonly devices: Readonly<Record<string, number>>;
}

/**
 * What a look at a pod says. `ended` and `alive` are told while the agent can still report;
 * without an agent the pod is `lost`.
 */
export type PodOutcome =
  | {
      readonly kind: 'alive';
      /** what the algorithm runs in, by the runtime's own name: a digest or an id, `sha256:…`; absent when it does not tell (yet) */
      readonly image?: string;
      /** why the algorithm has not begun, for people: `waiting for a node: Insufficient cpu`; absent when nothing is known to be amiss */
      readonly waiting?: string;
      /** only beside `waiting`: the agent runs already and works meanwhile */
      readonly agentRuns?: boolean;
      /** why the pod is being taken down: what has not ended by now cannot be trusted to end here, but the agent may still publish */
      readonly ending?: string;
      /** why this may be out of date: the node does not answer. The pod is lost if its agent does not speak either */
      readonly doubt?: string;
    }
  | {
      readonly kind: 'ended';
      readonly image?: string;
      readonly exitCode: number;
      readonly oomKilled: boolean;
      readonly startedAtMs: number;
      readonly finishedAtMs: number;
    }
  /** the algorithm never began and will not in this pod; the agent may be well */
  | { readonly kind: 'failed'; readonly type: FailureType; readonly message: string }
  /** its image all the same: an agent whose work is done may end before anybody has looked */
  | { readonly kind: 'lost'; readonly reason: string; readonly image?: string };

/** A pod as the runtime lists it. */
export interface ListedPod {
  readonly pod: PodRef;
  readonly environmentId: string;
  readonly createdAtMs: number;
}

/** The one port to whatever runs pods: Docker Engine or Podman, Kubernetes. */
export interface PodRuntime {
  /**
   * After the call the pod exists. Safe to repeat: adopts its own objects, throws `JobFailure('PodConflict')` on
   * somebody else's. A runtime that pulls images itself has started both containers then; one that hands the pod to a
   * scheduler tells by `observe` what became of it.
   * @param onProgress one line for people, e.g. `pulling image: 31 MB`
   * @param signal ends a pull early; what exists by then is removed by `remove`
   */
  create(spec: PodSpec, onProgress: (line: string) => void, signal?: AbortSignal): Promise<void>;
  /** One look. Never throws for a missing pod: that is `lost`. */
  observe(pod: PodRef): Promise<PodOutcome>;
  /** TERM to the algorithm, KILL after `graceSeconds`; the agent stays to publish. Tolerates a missing pod. May return before the algorithm has ended. */
  stop(pod: PodRef, graceSeconds: number): Promise<void>;
  /** After the call no container and no volume of this pod exists. Tolerates a missing pod. */
  remove(pod: PodRef): Promise<void>;
  /** All pods of this service, of any attempt, also ones of which only a volume is left. */
  list(): Promise<readonly ListedPod[]>;
  /**
   * Tells of pods whose observation may have changed, promptly but without a promise: nothing may depend on it.
   * Absent where there is nothing to watch.
   */
  watch?(onChange: (pod: PodRef, outcome: PodOutcome) => void): PodWatch;
}

/** A watch that is under way; it resumes by itself after a disconnection. */
export interface PodWatch {
  close(): Promise<void>;
}
