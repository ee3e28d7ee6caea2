/** The places of a queue as its workflow keeps them: decisions are `fairQueue.ts`, this tells those who got one. */

import { getExternalWorkflowHandle } from '@temporalio/workflow';
import { jobWorkflowId } from './contract/ids.ts';
import { placeGranted } from './contract/messages.ts';
import type { KnownClaims, PlaceAnswer, PlaceAudit, PlaceRequest } from './contract/queue.ts';
import { answersTo, emptyQueue, enqueue, grantPlaces, leave, recalledQueue, type FairQueue } from './fairQueue.ts';

/** Places, while one run of the workflow lasts. */
export interface Places {
  readonly state: () => FairQueue;
  /**
   * Answers at once; jobs of the request that get a place learn it from the answer, others by a signal. Before the recall
   * everybody is told to wait.
   */
  readonly request: (request: PlaceRequest) => readonly PlaceAnswer[];
  readonly release: (jobIds: readonly string[]) => void;
  /** Takes over what an audit found. */
  readonly correct: (audit: PlaceAudit) => void;
  /** Joins what is remembered elsewhere with who has asked meanwhile; from now on places are given out. */
  readonly recall: (known: KnownClaims) => void;
  /** True when every signal has been taken or refused. */
  readonly isSettled: () => boolean;
}

/**
 * @param carried absent for a queue without memory: it gives nothing out before {@link Places.recall}
 * @param onMove called after each change of who holds or waits
 */
export const keepPlaces = (carried: FairQueue | undefined, onMove: () => void): Places => {
  let state = carried ?? emptyQueue;
  let isRecalled = carried !== undefined;
  const leftBefore: string[] = [];
  let signals = 0;

  const serve = (asking: ReadonlySet<string> = new Set()): void => {
    if (!isRecalled) return;
    const { queue, granted } = grantPlaces(state);
    state = queue;
    onMove();
    for (const { jobId } of granted) if (!asking.has(jobId)) void tell(jobId);
  };
  const release = (jobIds: readonly string[]): void => {
    if (!isRecalled) leftBefore.push(...jobIds);
    state = leave(state, jobIds);
    serve();
  };
  const tell = async (jobId: string): Promise<void> => {
    signals += 1;
    try {
      await getExternalWorkflowHandle(jobWorkflowId(jobId)).signal(placeGranted);
    } catch {
      // the job is over: its place goes to the next at once
      release([jobId]);
    } finally {
      signals -= 1;
    }
  };

  return {
    state: () => state,
    request(request) {
      const jobIds = request.claims.map(({ jobId }) => jobId);
      state = enqueue(state, request);
      serve(new Set(jobIds));
      return answersTo(state, jobIds);
    },
    release,
    correct({ gone, maxJobs }) {
      state = { ...state, maxJobs };
      release(gone);
    },
    recall(known) {
      const asked = state.waiting.map(({ jobId }) => jobId);
      state = leave(enqueue(recalledQueue(known), { maxJobs: state.maxJobs, claims: state.waiting }), leftBefore);
      isRecalled = true;
      for (const { jobId } of state.holding) if (asked.includes(jobId)) void tell(jobId);
      serve();
    },
    isSettled: () => signals === 0,
  };
};
