/**
 * Who gets the next place of an environment. Pure: the workflow around it keeps the state.
 * First come, first served per consumer; between consumers the one with the fewest places, then who waited longest.
 */

import { furthestShown, longestQueue, type Claim, type PlaceAnswer, type PlaceRequest, type Position } from './contract/queue.ts';

/** State of a queue. Plain JSON: it is carried from one run of the workflow to the next. */
export interface FairQueue {
  readonly maxJobs: number;
  readonly holding: readonly Claim[];
  /** in order of arrival */
  readonly waiting: readonly Claim[];
}

export const emptyQueue: FairQueue = { maxJobs: 0, holding: [], waiting: [] };

/**
 * Adds the claims of jobs that neither hold nor await a place, as far as there is room; the request's number of places
 * counts from now on.
 */
export const enqueue = (queue: FairQueue, { maxJobs, claims }: PlaceRequest): FairQueue => {
  const known = new Set([...queue.holding, ...queue.waiting].map(({ jobId }) => jobId));
  const fresh = claims.filter(({ jobId }) => !known.has(jobId) && known.add(jobId));
  // who is served at once needs no room to wait
  const room = longestQueue + Math.max(0, maxJobs - queue.holding.length);
  return { ...queue, maxJobs, waiting: [...queue.waiting, ...fresh].slice(0, Math.max(room, queue.waiting.length)) };
};

/** Forgets jobs, wherever they stand. */
export const leave = (queue: FairQueue, jobIds: readonly string[]): FairQueue => {
  const gone = new Set(jobIds);
  const stays = ({ jobId }: Claim): boolean => !gone.has(jobId);
  return { ...queue, holding: queue.holding.filter(stays), waiting: queue.waiting.filter(stays) };
};

/** Gives every free place away. @returns the queue afterwards, and who got a place, in order */
export const grantPlaces = (queue: FairQueue): { readonly queue: FairQueue; readonly granted: readonly Claim[] } => {
  const granted = turns(queue, queue.maxJobs - queue.holding.length);
  if (granted.length === 0) return { queue, granted };
  const served = new Set(granted.map(({ jobId }) => jobId));
  const waiting = queue.waiting.filter(({ jobId }) => !served.has(jobId));
  return { queue: { ...queue, holding: [...queue.holding, ...granted], waiting }, granted };
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

/** The jobs of one consumer that wait, and how many places the consumer would have by now. */
interface Line {
  places: number;
  readonly claims: { readonly claim: Claim; readonly arrival: number }[];
  next: number;
}

/** The first `count` jobs that will be served, in order, were nobody to come or go meanwhile. */
export const turns = (queue: FairQueue, count: number): readonly Claim[] => {
  const lines = linesOf(queue);
  const order: Claim[] = [];
  while (order.length < count) {
    const line = foremost(lines);
    const served = line?.claims[line.next];
    if (line === undefined || served === undefined) break;
    line.next += 1;
    line.places += 1;
    order.push(served.claim);
  }
  return order;
};

const linesOf = ({ holding, waiting }: FairQueue): readonly Line[] => {
  const lines = new Map<string, Line>();
  waiting.forEach((claim, arrival) => {
    const line = lines.get(claim.consumerKey) ?? { places: 0, claims: [], next: 0 };
    line.claims.push({ claim, arrival });
    lines.set(claim.consumerKey, line);
  });
  for (const { consumerKey } of holding) {
    const line = lines.get(consumerKey);
    if (line !== undefined) line.places += 1;
  }
  return [...lines.values()];
};

const arrivalOf = ({ claims, next }: Line): number => claims[next]?.arrival ?? Infinity;

/** The line to be served next; undefined when nobody waits. */
const foremost = (lines: readonly Line[]): Line | undefined => {
  let best: Line | undefined;
  for (const line of lines) {
    if (line.next >= line.claims.length) continue;
    const isBefore = best === undefined || line.places < best.places || (line.places === best.places && arrivalOf(line) < arrivalOf(best));
    if (isBefore) best = line;
  }
  return best;
};
