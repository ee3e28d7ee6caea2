/** What the agent is told from outside: environment variables; folders differ only in tests. */

import type { FilterPlace } from './filters.ts';
import type { GatewayAddress } from './http.ts';

/** Settings of one agent. */
export interface AgentConfig {
  readonly gateway: GatewayAddress;
  readonly token: string;
  /** shared with the algorithm, which sees it read-only except for `outputs` */
  readonly dataFolder: string;
  /** FIFOs, busybox and the agent's own state */
  readonly controlFolder: string;
  /** the pod's filters, in the order in which they run */
  readonly filters: readonly FilterPlace[];
  /** control folders of the filters, by number */
  readonly filtersFolder: string;
  /**
   * Seconds between TERM and KILL for the algorithm. Present on a cluster: there TERM means that the pod is being ended,
   * and others start the algorithm's container at a time of their own.
   */
  readonly clusterGraceSeconds: number | undefined;
}

/**
 * @param env `C2D_GATEWAY` (`unix:/path` or `http://host:port`), `C2D_TOKEN`, on a cluster `C2D_CLUSTER_GRACE_SECONDS`;
 *   with filters `C2D_FILTERS`; `C2D_DATA`, `C2D_CONTROL` and `C2D_FILTERS_FOLDER` move the folders
 * @throws Error naming the variable that is missing or malformed
 */
export const readConfig = (env: Readonly<Record<string, string | undefined>>): AgentConfig => {
  const token = env['C2D_TOKEN'];
  if (token === undefined || token === '') throw new Error('C2D_TOKEN is required');
  return {
    gateway: gatewayAddress(env['C2D_GATEWAY'] ?? ''),
    token,
    dataFolder: env['C2D_DATA'] ?? '/data',
    controlFolder: env['C2D_CONTROL'] ?? '/.c2d',
    filters: filtersOf(env['C2D_FILTERS']),
    filtersFolder: env['C2D_FILTERS_FOLDER'] ?? '/.c2d-filters',
    clusterGraceSeconds: seconds(env['C2D_CLUSTER_GRACE_SECONDS']),
  };
};

/** The runtime that made the pod wrote it; a pod whose filters are not understood must not run as one without. */
const filtersOf = (text: string | undefined): readonly FilterPlace[] => {
  if (text === undefined) return [];
  const places = JSON.parse(text) as readonly Partial<FilterPlace>[];
  return places.map(({ by, image, seconds: limit }) => {
    if (typeof by !== 'string' || typeof image !== 'string' || typeof limit !== 'number')
      throw new Error('C2D_FILTERS must be a list of filters');
    return { by, image, seconds: limit };
  });
};

const seconds = (text: string | undefined): number | undefined => {
  if (text === undefined || text === '') return undefined;
  const value = Number(text);
  if (!(value >= 0)) throw new Error('C2D_CLUSTER_GRACE_SECONDS must be a number of seconds');
  return value;
};

const gatewayAddress = (text: string): GatewayAddress => {
  if (text.startsWith('unix:/')) return { socketPath: text.slice('unix:'.length) };
  if (!URL.canParse(text) || new URL(text).protocol !== 'http:') {
    throw new Error('C2D_GATEWAY must be unix:/path or http://host:port');
  }
  const { hostname, port } = new URL(text);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 80 : Number(port) };
};
