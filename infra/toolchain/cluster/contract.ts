/** What tests and commands know of a cluster, whatever it is made with. */

import type Docker from 'dockerode';
import type { Report } from '../parts.ts';
import type { ClusterReport } from './control.ts';

/** One server of a cluster, whatever process serves it now. */
export interface ClusterComponent {
  /** Ends it and leaves it down. */
  stop(): Promise<void>;
  /** Ends it by SIGKILL and leaves it down. */
  kill(): Promise<void>;
  /** Starts it if it is down; resolves when it serves. */
  start(): Promise<void>;
  /** Ends it gracefully and starts it again; resolves when it serves. */
  restart(): Promise<void>;
}

/** A cluster that is up. */
export interface Cluster {
  readonly name: string;
  /** file that makes its reader the administrator */
  readonly kubeconfig: string;
  /** address of this machine that the cluster's pods can reach, policies permitting; nobody else can */
  readonly nodeAddress: string;
  readonly podCidr: string;
  readonly serviceCidr: string;
  /** stricter system call filter that the node has for pods, as `localhostProfile` names it; undefined where it has none */
  readonly seccompProfile?: string | undefined;
  /** file in which the API server writes down what service accounts do with pods, a JSON text a line; undefined where it does not */
  readonly auditLog?: string | undefined;
  readonly kubelet: ClusterComponent;
  readonly apiServer: ClusterComponent;
  readonly etcd: ClusterComponent;
  readonly containerd: ClusterComponent;
  /**
   * Copies an image of a container engine to the node, unless it is there already.
   * @returns the name by which pods get it, with `imagePullPolicy` `IfNotPresent`
   */
  importImage(docker: Docker, reference: string): Promise<string>;
  /** Has the node pull over plain HTTP from that host and port, such as one on `nodeAddress`. */
  trustRegistry(hostAndPort: string): Promise<void>;
  /** Whether network policies count. Resolves when that is so. */
  setPolicyEnforcement(isEnforcing: boolean): Promise<void>;
  /** Runs kubectl as administrator. @returns what it wrote to stdout */
  kubectl(args: readonly string[]): Promise<string>;
  /** Takes the cluster down and leaves nothing of it, whoever started it. */
  close(): Promise<void>;
}

/** How a cluster is started. */
export interface ClusterOptions {
  /** at most 32 small letters, digits and dashes */
  readonly name: string;
  /** whether network policies count from the beginning; default true */
  readonly isEnforcingPolicies?: boolean;
  /** true: it stays when we end; default: it goes down with us, also when we are killed */
  readonly isDetached?: boolean;
  readonly report?: Report;
}

/** One way to have clusters. Names are those of `ClusterOptions`. */
export interface ClusterMaker {
  start(options: ClusterOptions): Promise<Cluster>;
  /** undefined if it has none of that name that is ready */
  connect(name: string): Promise<Cluster | undefined>;
  /** undefined if it has none of that name */
  inspect(name: string): Promise<ClusterReport | undefined>;
  /** @returns false if there was nothing */
  remove(name: string): Promise<boolean>;
}
