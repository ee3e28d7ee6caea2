/** The orchestrator's door to the queues of the environments: asks for places, gives them back. */

import { randomUUID } from 'node:crypto';
import { WithStartWorkflowOperation, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { orchestratorQueue, queueWorkflowId } from '../../workflows/contract/ids.ts';
import { releasePlace, requestPlaces } from '../../workflows/contract/messages.ts';
import type { Claim, PlaceAnswer, QueueRef } from '../../workflows/contract/queue.ts';

/** What asking takes. */
export interface PlaceQueuesDeps {
  readonly client: Client;
  /** the number of places that is configured now */
  readonly maxJobsOf: (queue: QueueRef) => number;
  readonly taskQueue?: string;
  /** for tests: how soon a queue goes on as a new run, and looks at its holders */
  readonly queueOptions?: { readonly renewAfterEvents?: number; readonly auditSeconds?: number };
}

/** Every call may be repeated. */
export interface PlaceQueues {
  requestPlace(queue: QueueRef, claim: Claim): Promise<PlaceAnswer>;
  /** Gives a place or a turn back on behalf of a job that cannot. */
  releasePlace(queue: QueueRef, jobId: string): Promise<void>;
  /** Makes sure that the queue runs and knows how many places are configured. */
  wake(queue: QueueRef): Promise<void>;
}

const patienceMs = 10_000;

interface Asking {
  readonly claim: Claim;
  readonly resolve: (answer: PlaceAnswer) => void;
  readonly reject: (err: unknown) => void;
}

/**
 * One request per queue is under way at a time; who asks meanwhile goes with the next one, all together. So a queue
 * sees few requests however many jobs start at once, and Temporal's limit on concurrent updates is never met.
 */
export const createPlaceQueues = (deps: PlaceQueuesDeps): PlaceQueues => {
  const asking = new Map<string, Asking[]>();
  const send = async (queue: QueueRef, batch: readonly Asking[]): Promise<void> => {
    try {
      const answers = await askQueue(
        deps,
        queue,
        batch.map(({ claim }) => claim),
      );
      batch.forEach(({ resolve, reject }, index) => {
        const answer = answers[index];
        if (answer === undefined) reject(new Error('the queue answered fewer claims than it was asked'));
        else resolve(answer);
      });
    } catch (err) {
      for (const { reject } of batch) reject(err);
    }
  };
  const drain = async (queue: QueueRef, key: string, waiting: Asking[]): Promise<void> => {
    while (waiting.length > 0) await send(queue, waiting.splice(0));
    asking.delete(key);
  };
  return {
    requestPlace(queue, claim) {
      return new Promise((resolve, reject) => {
        const key = queueWorkflowId(queue);
        const found = asking.get(key);
        if (found !== undefined) return void found.push({ claim, resolve, reject });
        const waiting: Asking[] = [{ claim, resolve, reject }];
        asking.set(key, waiting);
        void drain(queue, key, waiting);
      });
    },
    async releasePlace(queue, jobId) {
      try {
        await deps.client.workflow.getHandle(queueWorkflowId(queue)).signal(releasePlace, jobId);
      } catch (err) {
        if (!(err instanceof WorkflowNotFoundError)) throw err;
      }
    },
    async wake(queue) {
      await askQueue(deps, queue, []);
    },
  };
};

const askQueue = (
  { client, maxJobsOf, taskQueue = orchestratorQueue, queueOptions }: PlaceQueuesDeps,
  queue: QueueRef,
  claims: readonly Claim[],
): Promise<readonly PlaceAnswer[]> => {
  const startWorkflowOperation = new WithStartWorkflowOperation('environmentQueue', {
    workflowId: queueWorkflowId(queue),
    taskQueue,
    args: [{ queue, ...queueOptions }],
    workflowIdConflictPolicy: 'USE_EXISTING',
    // one that was ended by hand is followed by another, which recalls who had a place
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
  });
  const request = { maxJobs: maxJobsOf(queue), claims };
  return client.withDeadline(Date.now() + patienceMs, () =>
    client.workflow.executeUpdateWithStart(requestPlaces, { updateId: randomUUID(), args: [request], startWorkflowOperation }),
  );
};
