import {
  ActivityFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { releasePlace, requestPlaces, viewQueue } from './contract/messages.ts';
import { furthestShown, type QueueRef, type QueueView } from './contract/queue.ts';
import { positionsOf, turns, type FairQueue } from './fairQueue.ts';
import { keepPlaces, type Places } from './places.ts';

/** Argument of `environmentQueue`. */
export interface QueueStart {
  readonly queue: QueueRef;
  /** while somebody waits, those who hold or await a place are looked at this often */
  readonly auditSeconds?: number;
  /** a run ends after so many events at the latest; absent: when the server says so */
  readonly renewAfterEvents?: number;
  /** what the run before knew; absent in the first one */
  readonly carried?: CarriedQueue;
}

interface CarriedQueue {
  readonly state: FairQueue;
  readonly auditedAtMs: number;
}

const defaultAuditSeconds = 30;

const memory = proxyActivities<Pick<Activities, 'recallPlaces'>>({
  startToCloseTimeout: '10s',
  retry: { initialInterval: '250ms', backoffCoefficient: 2, maximumInterval: '30s' },
});

// nothing waits for these: what cannot be done within a minute is done at the next occasion
const side = proxyActivities<Pick<Activities, 'recordPositions' | 'auditPlaces'>>({
  startToCloseTimeout: '30s',
  scheduleToCloseTimeout: '1m',
  retry: { initialInterval: '250ms', backoffCoefficient: 2, maximumInterval: '10s' },
});

/**
 * The places of one environment for one kind of job. Goes on for ever, as a new run whenever its history is long.
 * A place is given with the answer to a request or with a signal; it is free again when its job releases it or is over.
 */
export async function environmentQueue(start: QueueStart): Promise<void> {
  let isMoved = true;
  const places = keepPlaces(start.carried?.state, () => (isMoved = true));
  setHandler(requestPlaces, (request) => places.request(request));
  setHandler(releasePlace, (jobId) => places.release([jobId]));
  setHandler(viewQueue, () => viewOf(places.state()));
  // a queue before this one may have been ended by hand: who had a place still has it. Who asks meanwhile is not kept
  // waiting for an answer: those who ask might hold every slot of the worker that has to recall
  if (start.carried === undefined) places.recall(await memory.recallPlaces(start.queue));

  let told: Told = new Map();
  let auditedAtMs = start.carried?.auditedAtMs ?? 0;
  const untilAuditMs = (): number => auditedAtMs + (start.auditSeconds ?? defaultAuditSeconds) * 1_000 - Date.now();
  const hasWork = (): boolean => isMoved || isLong(start);
  while (!isLong(start)) {
    if (places.state().waiting.length === 0) await condition(hasWork);
    else await condition(hasWork, Math.max(1, untilAuditMs()));
    if (isMoved) {
      isMoved = false;
      told = await tellPositions(places.state(), told);
    }
    if (places.state().waiting.length > 0 && untilAuditMs() <= 0) {
      auditedAtMs = Date.now();
      await audit(start.queue, places);
    }
  }
  await condition(() => places.isSettled() && allHandlersFinished());
  await continueAsNew<typeof environmentQueue>({ ...start, carried: { state: places.state(), auditedAtMs } });
}

const viewOf = ({ maxJobs, holding, waiting }: FairQueue): QueueView => ({ maxJobs, holding, waiting });

const isLong = ({ renewAfterEvents = Infinity }: QueueStart): boolean =>
  workflowInfo().continueAsNewSuggested || workflowInfo().historyLength >= renewAfterEvents;

/** Position by job, as the ledger has it. */
type Told = ReadonlyMap<string, number>;

/** Writes the positions that have changed, all with one activity; changes meanwhile wait for the next. */
const tellPositions = async (state: FairQueue, told: Told): Promise<Told> => {
  const positions = positionsOf(state);
  const moved = positions.filter(({ jobId, ahead }) => told.get(jobId) !== ahead);
  if (moved.length > 0 && !(await tried(() => side.recordPositions({ positions: moved })))) return told;
  return new Map(positions.map(({ jobId, ahead }) => [jobId, ahead]));
};

/** Finds jobs that ended without a word, by hand for instance, before their places or turns are missed. */
const audit = async (queue: QueueRef, places: Places): Promise<void> => {
  const state = places.state();
  const [holding, waiting] = [state.holding, turns(state, furthestShown)].map((claims) => claims.map(({ jobId }) => jobId));
  await tried(async () => places.correct(await side.auditPlaces({ queue, holding: holding ?? [], waiting: waiting ?? [] })));
};

const tried = async (work: () => Promise<void>): Promise<boolean> => {
  try {
    await work();
    return true;
  } catch (err) {
    if (err instanceof ActivityFailure) return false;
    throw err;
  }
};
