/** What a runtime must know to make a job's pod, and what it says about one. */

import type { PodRef } from './job.ts';

/** Everything about one execution pod. Never stored: built from the ledger when the pod is created. */
export interface PodSpec {
  readonly pod: PodRef;
  readonly environmentId: string;
  /** reference as the runtime takes it: `name@sha256:…`, `name:tag` */
  readonly image: string;
  /** argv of the algorithm; null runs the image's own entrypoint and command */
  readonly command: readonly string[] | null;
  /** environment variables of the algorithm */
  readonly env: Readonly<Record<string, string>>;
  readonly resources: PodResources;
  /** the agent's bearer token; only the agent's container gets it */
  readonly token: string;
  /** seconds after which the runtime ends the pod whatever happens */
  readonly deadlineSeconds: number;
}

/** Hard limits of the algorithm's container. */
export interface PodResources {
  /** cores, may be a fraction */
  readonly cpu: number;
  readonly memoryBytes: number;
  /** inputs, outputs and logs together */
  readonly diskBytes: number;
}

/**
 * What a look at a pod says. `ended` and `alive` are told while the agent can still report;
 * without an agent the pod is `lost`.
 */
export type PodOutcome =
  | { readonly kind: 'alive' }
  | {
      readonly kind: 'ended';
      readonly exitCode: number;
      readonly oomKilled: boolean;
      readonly startedAtMs: number;
      readonly finishedAtMs: number;
    }
  | { readonly kind: 'lost'; readonly reason: string };

/** A pod as the runtime lists it. */
export interface ListedPod {
  readonly pod: PodRef;
  readonly environmentId: string;
  readonly createdAtMs: number;
}

/** The one port to whatever runs pods: Docker Engine or Podman, Kubernetes. */
export interface PodRuntime {
  /**
   * After the call the pod exists and both containers are started. Safe to repeat: adopts its own
   * objects, throws `JobFailure('PodConflict')` on somebody else's. Pulls the image when absent.
   * @param onProgress one line for people, e.g. `pulling image: 31 MB`
   * @param signal ends a pull early; what exists by then is removed by `remove`
   */
  create(spec: PodSpec, onProgress: (line: string) => void, signal?: AbortSignal): Promise<void>;
  /** One look. Never throws for a missing pod: that is `lost`. */
  observe(pod: PodRef): Promise<PodOutcome>;
  /** TERM to the algorithm, KILL after `graceSeconds`; the agent stays to publish. Tolerates a missing pod. */
  stop(pod: PodRef, graceSeconds: number): Promise<void>;
  /** After the call no container and no volume of this pod exists. Tolerates a missing pod. */
  remove(pod: PodRef): Promise<void>;
  /** All pods of this service, of any attempt, also ones of which only a volume is left. */
  list(): Promise<readonly ListedPod[]>;
}
