import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/common';
import { jobWorkflowId, queueWorkflowId } from '../../workflows/contract/ids.ts';
import { viewQueue } from '../../workflows/contract/messages.ts';
import type { JobRef } from '../../workflows/contract/job.ts';
import type { Claim, QueueRef } from '../../workflows/contract/queue.ts';
import { countGrants } from '../support/queueWorkflows.ts';
import { aJobId, aJobRef } from '../support/builders.ts';
import type { AgentScript } from '../support/fakeWorld.ts';
import { recordHistory } from '../support/historyRecorder.ts';
import { useWorkflowServer } from '../support/workflowServer.ts';

const patienceMs = 120_000;

/** Waits for what nobody announces. */
const until = async (what: string, isTrue: () => boolean): Promise<void> => {
  const deadline = performance.now() + patienceMs;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${patienceMs / 1_000} s`);
    await delay(5);
  }
};

/** Asks again, as an activity is tried again, when a busy server does not answer in time. */
const patiently = async <Result>(ask: () => Promise<Result>): Promise<Result> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask();
    } catch (err) {
      if (attempt === 10) throw err;
    }
  }
};

/** Jobs that run until they are let go, in an environment of the test's own. */
const useJobs = (server: ReturnType<typeof useWorkflowServer>) => {
  let queue: QueueRef;
  let gates: Map<string, PromiseWithResolvers<void>>;
  const gateOf = (jobId: string): PromiseWithResolvers<void> => {
    const gate = gates.get(jobId) ?? Promise.withResolvers<void>();
    gates.set(jobId, gate);
    return gate;
  };
  const script: AgentScript = async (agent) => {
    await agent.done('stageInputs', { files: 1, bytes: 1 });
    const ended = await Promise.race([gateOf(agent.pod.jobId).promise.then(() => true), agent.stopped.then(() => false)]);
    if (ended) await agent.done('runAlgorithm', agent.exit());
    await agent.done('publishOutputs', { files: 1, bytes: 1 });
  };
  beforeEach(() => {
    queue = { environmentId: `env-${aJobId()}`, kind: 'free' };
    gates = new Map();
    server().world.script = script;
  });
  const start = async (consumerKey: string, over: Partial<JobRef['limits']> = {}): Promise<WorkflowHandle & { jobId: string }> => {
    const limits = { ...aJobRef().limits, queueSeconds: 600, ...over };
    const job = aJobRef({ environmentId: queue.environmentId, place: { kind: queue.kind, consumerKey }, limits });
    const { client, taskQueue } = server();
    const handle = await client.workflow.start('computeJob', { workflowId: jobWorkflowId(job.jobId), taskQueue, args: [job] });
    return Object.assign(handle, { jobId: job.jobId });
  };
  /** Starts a job and waits until its place was asked for, so that the next one comes later. */
  const startInLine = async (consumerKey: string, over: Partial<JobRef['limits']> = {}) => {
    const job = await start(consumerKey, over);
    const { world } = server();
    await until('the job arrives', () => isRunning(job.jobId) || world.positions.some(({ jobId }) => jobId === job.jobId));
    return job;
  };
  const isRunning = (jobId: string): boolean => server().world.starts.some((pod) => pod.jobId === jobId);
  return {
    start,
    startInLine,
    isRunning,
    queue: () => queue,
    mayEnd: (jobId: string) => gateOf(jobId).promise,
    letEnd: (jobId: string) => gateOf(jobId).resolve(),
    runs: (jobId: string) => until('the job runs', () => isRunning(jobId)),
    queueHandle: () => server().client.workflow.getHandle(queueWorkflowId(queue)),
    /** The position that was told last. */
    ahead: (jobId: string) => server().world.positions.findLast((position) => position.jobId === jobId)?.ahead,
  };
};

const failureOf = async (handle: WorkflowHandle): Promise<unknown> => {
  const err = await handle.result().catch((thrown: unknown) => thrown);
  expect(err).toBeInstanceOf(WorkflowFailedError);
  return (err as WorkflowFailedError).cause;
};

/** The rule, said once more and in another way: who is served next of those who wait in order of arrival. */
const createModel = () => {
  const [waiting, holding]: [Claim[], Claim[]] = [[], []];
  const turnsOf: string[] = [];
  const places = (one: Claim): number => holding.filter(({ consumerKey }) => consumerKey === one.consumerKey).length;
  // everybody came before the first turn: who was never served waits longest, then whose turn is longest ago
  const longestFirst = (one: Claim, other: Claim): number =>
    turnsOf.lastIndexOf(one.consumerKey) - turnsOf.lastIndexOf(other.consumerKey) || waiting.indexOf(one) - waiting.indexOf(other);
  return {
    waiting,
    holding,
    serve(): void {
      const [next] = waiting.toSorted((one, other) => places(one) - places(other) || longestFirst(one, other));
      if (next === undefined) return;
      waiting.splice(waiting.indexOf(next), 1);
      holding.push(next);
      turnsOf.push(next.consumerKey);
    },
  };
};

const consumers = ['a', 'a', 'a', 'a', 'b', 'b', 'c', 'd', 'e'];
const consumerOf = (n: number): string => consumers[(n * 7) % consumers.length]!;

describe('two hundred jobs of five consumers for three places', () => {
  const server = useWorkflowServer({ renewAfterEvents: 150 }, './queueWorkflows.ts');
  const jobs = useJobs(server);

  test('have three of them at a time in the order of the rule, over new runs of the queue and new workers', async () => {
    const { client, world, taskQueue, restartWorker } = server();
    const claims = Array.from({ length: 200 }, (_, n): Claim => ({ jobId: aJobId(), consumerKey: consumerOf(n) }));
    const handles = await Promise.all(
      claims.map(({ jobId }) => client.workflow.start('patientJob', { workflowId: jobWorkflowId(jobId), taskQueue })),
    );
    const view = () => patiently(() => jobs.queueHandle().query(viewQueue));
    world.places = 0;
    await patiently(() => Promise.all(claims.map((claim) => world.queues.requestPlace(jobs.queue(), claim))));
    const firstRun = (await jobs.queueHandle().describe()).runId;
    const { waiting, holding, serve } = createModel();
    waiting.push(...claims);
    while ((await view()).waiting.length < claims.length) await delay(20);

    world.places = 3;
    await patiently(() => world.queues.wake(jobs.queue()));
    for (let places = 0; places < 3; places += 1) serve();
    for (let ended = 0; holding.length > 0; ended += 1) {
      const namesOf = (list: readonly Claim[]) => list.map(({ jobId }) => jobId).toSorted();
      const seen = await view();
      expect([ended, namesOf(seen.holding)]).toEqual([ended, namesOf(holding)]);
      expect(seen.waiting).toHaveLength(waiting.length);
      if (ended === 60 || ended === 130) await restartWorker();
      const [over] = holding.splice((ended * 5) % holding.length, 1);
      serve();
      await world.queues.releasePlace(jobs.queue(), over!.jobId);
    }
    expect((await jobs.queueHandle().describe()).runId).not.toBe(firstRun);
    expect(await Promise.all(handles.map((handle) => patiently(() => handle.query(countGrants))))).toEqual(claims.map(() => 1));
    await recordHistory('queueOfManyRenewed', jobs.queueHandle());
    await Promise.all(handles.map((handle) => handle.terminate('the test is over')));
  }, 300_000);
});

describe('twenty real jobs for three places', () => {
  const server = useWorkflowServer({ renewAfterEvents: 80 });
  const jobs = useJobs(server);

  test('run three at a time, over new runs of the queue and new workers (complaint: many starts stop the engine)', async () => {
    const { world, restartWorker } = server();
    // what ends a job does not matter here, and this takes the fewest steps
    world.script = async (agent) => {
      await jobs.mayEnd(agent.pod.jobId);
      await agent.failed('stageInputs', { type: 'InputUnavailable', retryable: false });
    };
    world.places = 3;
    const all = 20;
    const handles = await Promise.all(Array.from({ length: all }, (_, n) => jobs.start(consumerOf(n))));
    for (let ended = 0; ended < all; ended += 1) {
      await until(`another job runs after ${ended}`, () => world.starts.length >= Math.min(all, ended + 3));
      if (ended === 6 || ended === 13) await restartWorker();
      jobs.letEnd(world.starts[ended]!.jobId);
    }
    for (const handle of handles) expect(await failureOf(handle)).toMatchObject({ type: 'InputUnavailable' });
    expect(world.mostPods).toBe(3);
    expect((await jobs.queueHandle().query(viewQueue)).holding).toEqual([]);
  }, 300_000);
});

describe('who waits', () => {
  const server = useWorkflowServer({ auditSeconds: 600 });
  const jobs = useJobs(server);
  beforeEach(() => void (server().world.places = 1));

  test('reads how many are ahead, and moves up when somebody stops', async () => {
    const [first, second, third, fourth] = [
      await jobs.startInLine('a'),
      await jobs.startInLine('a'),
      await jobs.startInLine('a'),
      await jobs.startInLine('a'),
    ];
    const waiting = [second, third, fourth].map(({ jobId }) => jobId);
    await until('positions are told', () => waiting.map(jobs.ahead).join() === '0,1,2');
    await third.cancel();
    expect(await failureOf(third)).toBeInstanceOf(CancelledFailure);
    await until('the others move up', () => jobs.ahead(fourth.jobId) === 1);
    expect(jobs.isRunning(second.jobId)).toBe(false);
    for (const job of [first, second, fourth]) {
      await jobs.runs(job.jobId);
      jobs.letEnd(job.jobId);
      await job.result();
    }
    expect(server().world.starts.map(({ jobId }) => jobId)).toEqual([first, second, fourth].map(({ jobId }) => jobId));
    await recordHistory('queueWithPositions', jobs.queueHandle());
  });

  test('too long is no longer in the way of others', async () => {
    const first = await jobs.startInLine('a');
    const late = await jobs.startInLine('a', { queueSeconds: 1 });
    const last = await jobs.startInLine('a');
    expect(await failureOf(late)).toMatchObject({ type: 'QueueTimedOut' });
    await until('the other moves up', () => jobs.ahead(last.jobId) === 0);
    for (const job of [first, last]) {
      await jobs.runs(job.jobId);
      jobs.letEnd(job.jobId);
      await job.result();
    }
  });

  test('and was terminated by hand gives the place on at once', async () => {
    const first = await jobs.startInLine('a');
    const gone = await jobs.startInLine('a');
    const last = await jobs.startInLine('a');
    await gone.terminate('by hand');
    jobs.letEnd(first.jobId);
    await jobs.runs(last.jobId);
    jobs.letEnd(last.jobId);
    await last.result();
    expect(jobs.isRunning(gone.jobId)).toBe(false);
    await recordHistory('queueWithLostJob', jobs.queueHandle());
  });

  test('gets the place of a job with a lost pod only after its successor', async () => {
    const { world } = server();
    const first = await jobs.startInLine('a');
    const second = await jobs.startInLine('b');
    world.lose(world.starts[0]!);
    await until('the lost pod has a successor', () => world.starts.length === 2);
    expect(world.starts[1]).toEqual({ jobId: first.jobId, podAttempt: 2 });
    jobs.letEnd(first.jobId);
    await jobs.runs(second.jobId);
    jobs.letEnd(second.jobId);
    await Promise.all([first.result(), second.result()]);
    expect(world.mostPods).toBe(1);
  }, 60_000);

  test('is remembered by the next queue when the queue is terminated by hand, and so is who runs', async () => {
    const { world } = server();
    const first = await jobs.startInLine('a');
    const second = await jobs.startInLine('b');
    world.known = {
      holding: [{ jobId: first.jobId, consumerKey: 'a' }],
      waiting: [{ jobId: second.jobId, consumerKey: 'b' }],
    };
    await jobs.queueHandle().terminate('by hand');
    const third = await jobs.startInLine('c');
    expect([jobs.ahead(second.jobId), jobs.ahead(third.jobId)]).toEqual([0, 1]);
    for (const job of [first, second, third]) {
      await jobs.runs(job.jobId);
      jobs.letEnd(job.jobId);
      await job.result();
    }
    expect(world.mostPods).toBe(1);
    await recordHistory('queueRecalled', jobs.queueHandle());
  });

  test('is served when more places are configured', async () => {
    const { world } = server();
    const first = await jobs.startInLine('a');
    const second = await jobs.startInLine('a');
    world.places = 3;
    const third = await jobs.startInLine('a');
    for (const job of [first, second, third]) {
      await jobs.runs(job.jobId);
      jobs.letEnd(job.jobId);
      await job.result();
    }
  });
});

describe('who was terminated by hand while running', () => {
  const server = useWorkflowServer({ auditSeconds: 1 });
  const jobs = useJobs(server);

  test('loses the place, but not before the pod is gone', async () => {
    const { world } = server();
    world.places = 1;
    const first = await jobs.startInLine('a');
    const second = await jobs.startInLine('b');
    await first.terminate('by hand');
    await jobs.runs(second.jobId);
    expect(world.mostPods).toBe(1);
    jobs.letEnd(second.jobId);
    await second.result();
    world.problems.length = 0; // the first agent had nobody to report to
    await recordHistory('queueAudited', jobs.queueHandle());
  });
});

describe('many requests at once', () => {
  const server = useWorkflowServer();
  const jobs = useJobs(server);

  test('are answered in few updates, in their order, and again when repeated', async () => {
    const { world } = server();
    world.places = 10;
    const claims = Array.from({ length: 300 }, (_, n): Claim => ({ jobId: aJobId(), consumerKey: `c${n}` }));
    // a new queue asks the ledger first who has a place: until then everybody is told to wait
    while ((await world.queues.requestPlace(jobs.queue(), claims[0]!)).kind !== 'granted') await delay(20);
    const ask = () => patiently(() => Promise.all(claims.map((claim) => world.queues.requestPlace(jobs.queue(), claim))));
    const answers = await ask();
    expect(answers.map((answer) => answer.kind)).toEqual(claims.map((_, n) => (n < 10 ? 'granted' : 'waiting')));
    expect(answers.slice(10, 13)).toEqual([0, 1, 2].map((ahead) => ({ kind: 'waiting', ahead })));
    expect(await ask()).toEqual(answers);
    const { events } = await jobs.queueHandle().fetchHistory();
    expect(events!.length).toBeLessThan(100);
    await jobs.queueHandle().terminate('these jobs do not exist');
  });
});
