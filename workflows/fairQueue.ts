/**
 * Who gets the next place of an environment. Pure: the workflow around it keeps the state.
 * First come, first served per consumer. Between consumers the one with the fewest places; among those the one that
 * waits longest, where a consumer who has just been served begins to wait anew.
 */

import {
  furthestShown,
  longestQueue,
  type Claim,
  type KnownClaims,
  type PlaceAnswer,
  type PlaceRequest,
  type Position,
} from './contract/queue.ts';

/** State of a queue. Plain JSON: it is carried from one run of the workflow to the next. */
export interface FairQueue {
  readonly maxJobs: number;
  /** counts arrivals and grants: what happened earlier has the smaller number */
  readonly clock: number;
  readonly holding: readonly Claim[];
  /** in order of arrival */
  readonly waiting: readonly WaitingClaim[];
  /** when each consumer who waits was served last */
  readonly served: Readonly<Record<string, number>>;
}

interface WaitingClaim extends Claim {
  readonly since: number;
}

export const emptyQueue: FairQueue = { maxJobs: 0, clock: 0, holding: [], waiting: [], served: {} };

/** A queue that knows only what is remembered outside of it. */
export const recalledQueue = ({ holding, waiting }: KnownClaims): FairQueue => ({
  ...emptyQueue,
  clock: waiting.length,
  holding,
  waiting: waiting.map((claim, since) => ({ ...claim, since })),
});

/**
 * Adds the claims of jobs that neither hold nor await a place, as far as there is room; the request's number of places
 * counts from now on.
 */
export const enqueue = (queue: FairQueue, { maxJobs, claims }: PlaceRequest): FairQueue => {
  const known = new Set([...queue.holding, ...queue.waiting].map(({ jobId }) => jobId));
  // who is served at once needs no room to wait
  const room = longestQueue + Math.max(0, maxJobs - queue.holding.length) - queue.waiting.length;
  const fresh = claims.filter(({ jobId }) => !known.has(jobId) && known.add(jobId)).slice(0, Math.max(0, room));
  const arrived = fresh.map(({ jobId, consumerKey }, index) => ({ jobId, consumerKey, since: queue.clock + index }));
  return { ...queue, maxJobs, clock: queue.clock + fresh.length, waiting: [...queue.waiting, ...arrived] };
};

/** Forgets jobs, wherever they stand. */
export const leave = (queue: FairQueue, jobIds: readonly string[]): FairQueue => {
  const gone = new Set(jobIds);
  const stays = ({ jobId }: Claim): boolean => !gone.has(jobId);
  return withoutIdle({ ...queue, holding: queue.holding.filter(stays), waiting: queue.waiting.filter(stays) });
};

/** Gives every free place away. @returns the queue afterwards, and who got a place, in order */
export const grantPlaces = (queue: FairQueue): { readonly queue: FairQueue; readonly granted: readonly Claim[] } => {
  const granted = turns(queue, queue.maxJobs - queue.holding.length);
  if (granted.length === 0) return { queue, granted };
  const places = new Set(granted.map(({ jobId }) => jobId));
  const after = withoutIdle({
    maxJobs: queue.maxJobs,
    clock: queue.clock + granted.length,
    holding: [...queue.holding, ...granted],
    waiting: queue.waiting.filter(({ jobId }) => !places.has(jobId)),
    served: { ...queue.served, ...Object.fromEntries(granted.map(({ consumerKey }, index) => [consumerKey, queue.clock + index])) },
  });
  return { queue: after, granted };
};

/** When a consumer was served matters only while it has jobs that arrived before. */
const withoutIdle = (queue: FairQueue): FairQueue => {
  const present = new Set(queue.waiting.map(({ consumerKey }) => consumerKey));
  return { ...queue, served: Object.fromEntries(Object.entries(queue.served).filter(([consumerKey]) => present.has(consumerKey))) };
};

/** Where everybody stands who waits. */
export const positionsOf = (queue: FairQueue): readonly Position[] => {
  const first = turns(queue, furthestShown).map(({ jobId }, ahead) => ({ jobId, ahead }));
  const shown = new Set(first.map(({ jobId }) => jobId));
  const others = queue.waiting.filter(({ jobId }) => !shown.has(jobId));
  return [...first, ...others.map(({ jobId }) => ({ jobId, ahead: furthestShown }))];
};

/** What each of these jobs is told, in their order. */
export const answersTo = (queue: FairQueue, jobIds: readonly string[]): readonly PlaceAnswer[] => {
  const holders = new Set(queue.holding.map(({ jobId }) => jobId));
  if (jobIds.every((jobId) => holders.has(jobId))) return jobIds.map(() => ({ kind: 'granted' }));
  const positions = new Map(positionsOf(queue).map(({ jobId, ahead }) => [jobId, ahead]));
  return jobIds.map((jobId) => {
    if (holders.has(jobId)) return { kind: 'granted' };
    const ahead = positions.get(jobId);
    return ahead === undefined ? { kind: 'full' } : { kind: 'waiting', ahead };
  });
};

/** The jobs of one consumer that wait, in order, and what the consumer has had by now. */
interface Line {
  readonly claims: WaitingClaim[];
  next: number;
  places: number;
  servedAt: number;
}

/**
 * The first `count` jobs that will be served, in order, if nobody comes and those who have places end in the order in
 * which they got them. As many as there are free places are served now, whoever ends.
 */
export const turns = (queue: FairQueue, count: number): readonly Claim[] => {
  const lines = linesOf(queue);
  const holding = queue.holding.map(({ consumerKey }) => consumerKey);
  const order: Claim[] = [];
  for (let at = queue.clock; order.length < count; at += 1) {
    for (const consumerKey of holding.splice(0, holding.length + 1 - Math.max(1, queue.maxJobs))) addPlaces(lines, consumerKey, -1);
    const line = foremost(lines);
    const claim = line?.claims[line.next];
    if (line === undefined || claim === undefined) break;
    line.next += 1;
    line.servedAt = at;
    addPlaces(lines, claim.consumerKey, 1);
    holding.push(claim.consumerKey);
    order.push({ jobId: claim.jobId, consumerKey: claim.consumerKey });
  }
  return order;
};

type Lines = ReadonlyMap<string, Line>;

const addPlaces = (lines: Lines, consumerKey: string, change: number): void => {
  const line = lines.get(consumerKey);
  if (line !== undefined) line.places += change;
};

const linesOf = ({ holding, waiting, served }: FairQueue): Lines => {
  const lines = new Map<string, Line>();
  for (const claim of waiting) {
    const { consumerKey } = claim;
    const line = lines.get(consumerKey) ?? { claims: [], next: 0, places: 0, servedAt: served[consumerKey] ?? -1 };
    line.claims.push(claim);
    lines.set(consumerKey, line);
  }
  for (const { consumerKey } of holding) addPlaces(lines, consumerKey, 1);
  return lines;
};

/** Since when a consumer waits: its foremost job's arrival, or its last turn if that was later. */
const waitsSince = ({ claims, next, servedAt }: Line): number => Math.max(claims[next]?.since ?? Infinity, servedAt);

/** The line to be served next; undefined when nobody waits. */
const foremost = (lines: Lines): Line | undefined => {
  let best: Line | undefined;
  for (const line of lines.values()) {
    if (line.next >= line.claims.length) continue;
    const isBefore =
      best === undefined || line.places < best.places || (line.places === best.places && waitsSince(line) < waitsSince(best));
    if (isBefore) best = line;
  }
  return best;
};
