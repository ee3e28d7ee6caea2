/** What travels between jobs and the queue of an environment. Plain JSON; consumers appear as hashes only. */

/** Free and paid jobs have places of their own. */
export type PlaceKind = 'free' | 'paid';

/** Names a queue: one per environment and kind. */
export interface QueueRef {
  readonly environmentId: string;
  readonly kind: PlaceKind;
}

/** A job that needs a place. */
export interface Claim {
  readonly jobId: string;
  /** the same for all jobs of one consumer; a hash, never an address */
  readonly consumerKey: string;
}

/** Several jobs ask at once, and bring the number of places that is configured now. */
export interface PlaceRequest {
  readonly maxJobs: number;
  readonly claims: readonly Claim[];
}

/**
 * `ahead` counts the jobs that will be served before, if nobody comes and jobs end in the order in which they began; at
 * most {@link furthestShown}.
 * `full`: so many wait already that this job may not.
 */
export type PlaceAnswer = { readonly kind: 'granted' } | { readonly kind: 'waiting'; readonly ahead: number } | { readonly kind: 'full' };

/** Positions beyond this one are told as this one: a long queue must not write every row at every step. */
export const furthestShown = 100;

/** As many jobs may wait in one queue: its state travels from run to run, and must stay far below Temporal's limit. */
export const longestQueue = 5_000;

/** Where one job stands. */
export interface Position {
  readonly jobId: string;
  readonly ahead: number;
}

/** Who had or awaited a place, as far as it is known outside the queue; in order of arrival. */
export interface KnownClaims {
  readonly holding: readonly Claim[];
  readonly waiting: readonly Claim[];
}

/** A queue as operators may look at it. */
export interface QueueView extends KnownClaims {
  readonly maxJobs: number;
}

/** What a look at those who hold or await places found. */
export interface PlaceAudit {
  /** jobs that are over without having said so */
  readonly gone: readonly string[];
  /** the number of places that is configured now */
  readonly maxJobs: number;
}

/** What people read while a job waits; {@link readPosition} reads it back. */
export const positionText = (ahead: number): string => {
  if (ahead === 0) return 'queued: next';
  if (ahead >= furthestShown) return `queued: ${furthestShown} or more jobs ahead`;
  return `queued: ${ahead} ${ahead === 1 ? 'job' : 'jobs'} ahead`;
};

const shownPosition = /^queued: (?:next|(\d+)( or more)? jobs? ahead)$/;

/** The place that a `positionText` tells, or null for any other text. `orMore`: at least so many are ahead. */
export const readPosition = (text: string): { readonly ahead: number; readonly orMore: boolean } | null => {
  const match = shownPosition.exec(text);
  return match === null ? null : { ahead: Number(match[1] ?? 0), orMore: match[2] !== undefined };
};
