/** What an error of the Kubernetes API means for a job. Pure; every row is tested. */

import { isJobFailure, JobFailure, type FailureType } from '../../workflows/contract/failures.ts';

/** An error as far as it can be trusted: answers of the API may repeat what was sent, and that holds a token. */
export interface ClusterError {
  /** undefined when no answer came */
  readonly status: number | undefined;
  /** word of a `v1.Status`, e.g. `AlreadyExists` */
  readonly reason: string;
  /** for rules only, never for people */
  readonly text: string;
  /** no answer came: refused, reset, timed out */
  readonly isConnection: boolean;
  readonly retryAfterSeconds: number | undefined;
}

interface Rule {
  readonly when: (err: ClusterError) => boolean;
  readonly type: FailureType;
  readonly message: string;
  readonly retryAfterSeconds?: number;
}

const quotaPatienceSeconds = 30;

/** The first rule that fits decides. */
const rules: readonly Rule[] = [
  {
    when: ({ isConnection }) => isConnection,
    type: 'RuntimeUnavailable',
    message: 'the cluster cannot be reached; it is tried again',
    retryAfterSeconds: 2,
  },
  {
    when: ({ status, reason }) => status === 429 || reason === 'TooManyRequests',
    type: 'RuntimeUnavailable',
    message: 'the cluster limits its callers; it is tried again',
    retryAfterSeconds: 5,
  },
  {
    when: ({ status, text }) => status === 403 && /exceeded quota/i.test(text),
    type: 'QuotaExceeded',
    message: "the cluster's quota for jobs is used up; it is tried again until there is room",
    retryAfterSeconds: quotaPatienceSeconds,
  },
  {
    // the quota's own numbers are being worked out just after it was made
    when: ({ status, text }) => status === 403 && /status unknown for quota/i.test(text),
    type: 'QuotaExceeded',
    message: "the cluster's quota for jobs is not known yet; it is tried again",
    retryAfterSeconds: 2,
  },
  {
    // a namespace that is going away takes nothing new, and comes back only by somebody's hand
    when: ({ status, text }) => status === 403 && /being terminated/i.test(text),
    type: 'ClusterMisconfigured',
    message: 'the namespace for jobs is being removed; the operator must make it again',
  },
  {
    when: ({ status, text }) => status === 403 && /violates PodSecurity|denied the request|admission/i.test(text),
    type: 'ClusterMisconfigured',
    message: 'an admission rule of the cluster refuses the pods of jobs; the operator must allow them',
  },
  {
    // also answered by an API server that has just started and has not read its roles yet: no job ends by that
    when: ({ status }) => status === 401 || status === 403,
    type: 'ClusterMisconfigured',
    message: 'the cluster refuses this service; the operator must grant it its rights in the namespace for jobs',
    retryAfterSeconds: 5,
  },
  {
    when: ({ status, text }) => status === 413 || /request is too large|entity too large|larger than max/i.test(text),
    type: 'RequestInvalid',
    message: "the algorithm's entrypoint and variables are too large for a pod; make them smaller",
  },
  {
    when: ({ status, text }) => status === 404 && /namespaces? "[^"]*" not found/i.test(text),
    type: 'ClusterMisconfigured',
    message: 'the namespace for jobs does not exist; the operator must make it',
  },
  {
    when: ({ status }) => status === 400 || status === 422,
    type: 'ClusterMisconfigured',
    message: 'the cluster calls the pod of this job invalid; the operator must check what the environment asks for',
  },
  {
    when: ({ status, text }) => status === 409 || /leader changed|object has been modified/i.test(text),
    type: 'RuntimeUnavailable',
    message: 'the cluster was busy with the same pod; it is tried again',
    retryAfterSeconds: 1,
  },
  {
    when: ({ status }) => status !== undefined && status >= 500,
    type: 'RuntimeUnavailable',
    message: 'the cluster failed; it is tried again',
    retryAfterSeconds: 5,
  },
];

/**
 * The failure that an error of the cluster stands for.
 * @param err what the client threw
 * @returns always a failure of our own words: the client's messages repeat bodies, which may hold what was sent
 */
export const clusterFailure = (err: unknown): Error => {
  if (isJobFailure(err)) return err;
  const seen = clusterError(err);
  const rule = rules.find(({ when }) => when(seen));
  if (rule === undefined)
    return new Error(`unexpected from the cluster: ${seen.status ?? (err instanceof Error ? err.name : 'no error')} ${seen.reason}`);
  const { type, message, retryAfterSeconds } = rule;
  if (retryAfterSeconds === undefined) return new JobFailure(type, message);
  return new JobFailure(type, message, { retryAfterSeconds: Math.max(retryAfterSeconds, Math.min(seen.retryAfterSeconds ?? 0, 60)) });
};

/** True for an answer of the cluster with one of these status numbers. */
export const hasClusterStatus = (err: unknown, ...numbers: readonly number[]): boolean => {
  const { status } = clusterError(err);
  return status !== undefined && numbers.includes(status);
};

/**
 * Whether the same request may succeed a moment later, and how long to wait, in seconds. As API priority and fairness
 * asks, the server's own word counts.
 * @returns undefined for what no repetition changes
 */
export const momentaryDelay = (err: unknown): number | undefined => {
  const { status = 0, isConnection, retryAfterSeconds, text } = clusterError(err);
  const isMomentary = isConnection || status === 429 || status >= 500 || /leader changed/i.test(text);
  return isMomentary ? Math.min(retryAfterSeconds ?? 0, 10) : undefined;
};

const clusterError = (err: unknown): ClusterError => {
  const seen: SeenError = typeof err === 'object' && err !== null ? err : {};
  // aborted requests carry the number of a DOMException
  const status = [seen.code, seen.statusCode].find((value) => typeof value === 'number' && value >= 100);
  const body = bodyOf(seen.body);
  const headers: Record<string, unknown> = typeof seen.headers === 'object' && seen.headers !== null ? { ...seen.headers } : {};
  const seconds = Number(headers['retry-after'] ?? body.details?.retryAfterSeconds);
  return {
    status: typeof status === 'number' ? status : undefined,
    reason: typeof body.reason === 'string' ? body.reason : '',
    text: typeof body.message === 'string' ? body.message : '',
    isConnection: status === undefined && isConnectionError(seen),
    retryAfterSeconds: Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined,
  };
};

interface SeenError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly statusCode?: unknown;
  readonly body?: unknown;
  readonly headers?: unknown;
  readonly cause?: unknown;
}

/** `fetch failed` is all that the client says of sockets; its cause has the code. */
const isConnectionError = ({ name, message, code, cause }: SeenError): boolean =>
  typeof code === 'string' || cause !== undefined || name === 'TimeoutError' || name === 'AbortError' || message === 'fetch failed';

interface StatusBody {
  readonly reason?: unknown;
  readonly message?: unknown;
  readonly details?: { readonly retryAfterSeconds?: unknown } | undefined;
}

/** A `v1.Status`, parsed or as text; proxies in between answer in other words. */
const bodyOf = (body: unknown): StatusBody => {
  if (typeof body === 'object' && body !== null) return body;
  if (typeof body !== 'string') return {};
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null ? parsed : { message: body };
  } catch {
    return { message: body };
  }
};
