import { CompleteAsyncError } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createPod } from '../../activities/createPod.ts';
import { publishOutputs } from '../../activities/publishOutputs.ts';
import { reapPods } from '../../activities/reapPods.ts';
import { repairJobs } from '../../activities/repairJobs.ts';
import { runAlgorithm } from '../../activities/runAlgorithm.ts';
import { stageInputs } from '../../activities/stageInputs.ts';
import { validateOrder } from '../../activities/validateOrder.ts';
import { FailureInterceptor } from '../../workers/orchestrator/failureInterceptor.ts';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { PodRef } from '../../workflows/contract/job.ts';
import { anywhere, type ListedPod, type PodOutcome, type PodSpec } from '../../workflows/contract/pod.ts';
import { aJobId, aSpec, anAdmission } from '../support/builders.ts';

const pod: PodRef = { jobId: aJobId(), podAttempt: 1 };
const observing = (outcome: PodOutcome) => ({ pods: { observe: async () => outcome } });
const alive: PodOutcome = { kind: 'alive' };
const lost: PodOutcome = { kind: 'lost', reason: 'the node is gone' };
const ended: PodOutcome = { kind: 'ended', exitCode: 3, oomKilled: false, startedAtMs: 1, finishedAtMs: 2 };
const attempt = (number: number) => new MockActivityEnvironment({ attempt: number });

describe('the phases that an agent drives', () => {
  test.each([
    ['stageInputs', stageInputs],
    ['runAlgorithm', runAlgorithm],
    ['publishOutputs', publishOutputs],
  ] as const)('%s leaves the wait to a living pod', async (_name, phase) => {
    await expect(attempt(1).run(phase(observing(alive)), pod)).rejects.toBeInstanceOf(CompleteAsyncError);
  });

  test.each([
    ['stageInputs', stageInputs],
    ['runAlgorithm', runAlgorithm],
    ['publishOutputs', publishOutputs],
  ] as const)('%s fails at once when the pod can report no more', async (_name, phase) => {
    await expect(attempt(1).run(phase(observing(lost)), pod)).rejects.toMatchObject({
      type: 'PodLost',
      message: 'pod attempt 1: the node is gone',
    });
  });

  test('an ended algorithm is left to its agent first, which knows more than an exit code', async () => {
    await expect(attempt(1).run(runAlgorithm(observing(ended)), pod)).rejects.toBeInstanceOf(CompleteAsyncError);
  });

  test('after a silence the exit code is read from the runtime', async () => {
    await expect(attempt(2).run(runAlgorithm(observing(ended)), pod)).resolves.toMatchObject({ exitCode: 3, end: 'ran' });
  });
});

describe('createPod', () => {
  const made: PodSpec[] = [];
  const spec: PodSpec = {
    pod,
    environmentId: 'small',
    image: 'a:1',
    command: null,
    env: {},
    resources: { cpu: 1, memoryBytes: 1, diskBytes: 1, devices: {} },
    token: 't',
    deadlineSeconds: 1,
    graceSeconds: 5,
    createSeconds: 60,
    publishSeconds: 60,
    placement: anywhere,
  };
  const deps = (taken: boolean) => ({
    places: { maxJobs: async () => 1, takePlace: async () => ({ taken, others: 1 }) },
    podSpecs: { podSpecOf: async () => spec },
    pods: { create: async (given: PodSpec) => void made.push(given) },
  });

  test('makes no pod without a place, and says when it will look again', async () => {
    const environment = new MockActivityEnvironment({ scheduledTimestampMs: Date.now() });
    await expect(environment.run(createPod(deps(false)), { pod, queueSeconds: 60 })).rejects.toMatchObject({
      type: 'NoCapacity',
      retryAfterSeconds: 1,
    });
    expect(made).toEqual([]);
  });

  test('gives up once the wait for a place was too long', async () => {
    const environment = new MockActivityEnvironment({ scheduledTimestampMs: Date.now() - 61_000 });
    await expect(environment.run(createPod(deps(false)), { pod, queueSeconds: 60 })).rejects.toMatchObject({
      type: 'QueueTimedOut',
      retryAfterSeconds: undefined,
    });
  });

  test('makes the pod once it has a place', async () => {
    await attempt(1).run(createPod(deps(true)), { pod, queueSeconds: 60 });
    expect(made).toEqual([spec]);
  });
});

describe('validateOrder', () => {
  const accepted: string[] = [];
  const deps = (taken: number) => ({
    orders: { admit: async (spec: ReturnType<typeof aSpec>) => anAdmission(spec, { runSeconds: 7 }) },
    vacancies: { vacancy: async () => ({ taken, maxJobs: 2 }) },
    admissions: { readSpec: async (jobId: string) => aSpec({ jobId }), acceptJob: async (jobId: string) => void accepted.push(jobId) },
  });

  test('accepts what was found good', async () => {
    await expect(attempt(1).run(validateOrder(deps(1)), { jobId: pod.jobId })).resolves.toEqual({ jobId: pod.jobId, runSeconds: 7 });
    expect(accepted).toEqual([pod.jobId]);
  });

  test('refuses a job that may not wait when every place is taken', async () => {
    await expect(attempt(1).run(validateOrder(deps(2)), { jobId: aJobId() })).rejects.toMatchObject({ type: 'NoCapacity' });
    expect(accepted).toHaveLength(1);
  });
});

describe('the reaper', () => {
  const listed = (jobId: string, createdAtMs: number): ListedPod => ({
    pod: { jobId, podAttempt: 1 },
    environmentId: 'small',
    createdAtMs,
  });

  test('removes pods whose workflow is over, and no young one', async () => {
    const [open, closed, young] = [aJobId(), aJobId(), aJobId()];
    const removed: string[] = [];
    const deps = {
      pods: {
        list: async () => [listed(open, 0), listed(closed, 0), listed(young, Date.now())],
        remove: async ({ jobId }: PodRef) => void removed.push(jobId),
      },
      workflows: { isOpen: async (jobId: string) => jobId === open },
    };
    await expect(attempt(1).run(reapPods(deps), { olderThanSeconds: 60 })).resolves.toEqual({ seen: 3, removed: 1 });
    expect(removed).toEqual([closed]);
  });

  test('ends jobs that lost their workflow, so that nobody waits for ever', async () => {
    const [open, stray, unjudged] = [aJobId(), aJobId(), aJobId()];
    const records: unknown[] = [];
    const refusals: string[] = [];
    const deps = {
      openJobs: {
        openJobs: async () => [
          { jobId: open, admission: 'accepted' as const, podAttempt: 1 },
          { jobId: stray, admission: 'accepted' as const, podAttempt: 2 },
          { jobId: unjudged, admission: 'pending' as const, podAttempt: 0 },
        ],
        dropEndedLogs: async () => undefined,
      },
      workflows: { isOpen: async (jobId: string) => jobId === open },
      records: { recordJob: async (record: unknown) => void records.push(record) },
      refusals: { refuseJob: async (jobId: string) => void refusals.push(jobId) },
    };
    await expect(attempt(1).run(repairJobs(deps), { olderThanSeconds: 60 })).resolves.toEqual({ repaired: 2 });
    expect(records).toMatchObject([{ jobId: stray, podAttempt: 2, status: 84 }]);
    expect(refusals).toEqual([unjudged]);
  });
});

describe('the failure interceptor', () => {
  const run = (err: Error) =>
    new MockActivityEnvironment({}, { interceptors: [() => ({ inbound: new FailureInterceptor() })] }).run(async () => {
      throw err;
    });

  test.each([
    ['a classified failure is final', new JobFailure('OrderInvalid', 'no'), { type: 'OrderInvalid', nonRetryable: true, message: 'no' }],
    [
      'one that says when to come back is not',
      new JobFailure('OrderPending', 'wait', { retryAfterSeconds: 2 }),
      { type: 'OrderPending', nonRetryable: false, nextRetryDelay: 2_000 },
    ],
  ])('%s', async (_name, failure, expected) => {
    await expect(run(failure)).rejects.toMatchObject(expected);
  });

  test('an unclassified error passes untouched, so that it is tried again', async () => {
    const err = new Error('socket hang up');
    await expect(run(err)).rejects.toBe(err);
  });
});
