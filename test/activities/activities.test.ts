import { CompleteAsyncError } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { auditPlaces } from '../../activities/auditPlaces.ts';
import { createPod } from '../../activities/createPod.ts';
import { deletePod } from '../../activities/deletePod.ts';
import { onceForEachPod } from '../../activities/noteImage.ts';
import { publishOutputs } from '../../activities/publishOutputs.ts';
import { recordJob } from '../../activities/recordJob.ts';
import { reapPods } from '../../activities/reapPods.ts';
import { repairJobs } from '../../activities/repairJobs.ts';
import { runAlgorithm } from '../../activities/runAlgorithm.ts';
import { stageInputs } from '../../activities/stageInputs.ts';
import { validateOrder } from '../../activities/validateOrder.ts';
import { FailureInterceptor } from '../../workers/orchestrator/failureInterceptor.ts';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { JobEvent, PodRef } from '../../workflows/contract/job.ts';
import { anywhere, type ListedPod, type PodOutcome, type PodSpec } from '../../workflows/contract/pod.ts';
import type { PlaceAnswer } from '../../workflows/contract/queue.ts';
import type { Admission } from '../../workflows/contract/spec.ts';
import { aJobId, aSpec, anAdmission } from '../support/builders.ts';

const pod: PodRef = { jobId: aJobId(), podAttempt: 1 };
const observing = (outcome: PodOutcome, notes: unknown[] = [], images: unknown[] = []) => ({
  pods: { observe: async () => outcome },
  images: { recordImage: async (image: unknown) => void images.push(image) },
  records: { recordProgress: async (record: unknown) => void notes.push(record) },
});
const alive: PodOutcome = { kind: 'alive' };
const lost: PodOutcome = { kind: 'lost', reason: 'the node is gone' };
const ended: PodOutcome = { kind: 'ended', exitCode: 3, oomKilled: false, startedAtMs: 1, finishedAtMs: 2 };
const attempt = (number: number) => new MockActivityEnvironment({ attempt: number });

describe('recordJob', () => {
  const end = { status: 70, reason: 'done', exitCode: 0, oomKilled: false };
  const record = { ...pod, status: 70, reason: 'done' };

  test('tells clients the end before it signs anything, and signs at the end only', async () => {
    const done: string[] = [];
    const deps = {
      records: { recordJob: async () => void done.push('told') },
      manifests: { manifestOf: async (jobId: string) => void done.push(`signed ${jobId}`) },
    };
    await attempt(1).run(recordJob(deps), record);
    await attempt(1).run(recordJob(deps), { ...record, end });
    expect(done).toEqual(['told', 'told', `signed ${pod.jobId}`]);
  });

  test('goes again when the manifest could not be kept', async () => {
    const manifests = { manifestOf: async () => Promise.reject(new Error('the ledger is away')) };
    const recorded = attempt(1).run(recordJob({ records: { recordJob: async () => undefined }, manifests }), { ...record, end });
    await expect(recorded).rejects.toThrow('the ledger is away');
  });
});

describe('deletePod', () => {
  const deleting = () => {
    const done: unknown[] = [];
    return {
      done,
      losses: { recordLoss: async (loss: unknown) => void done.push(loss) },
      pods: { remove: async (removed: unknown) => void done.push(removed) },
    };
  };

  test('removes the pod of a job that has ended, and says nothing', async () => {
    const deps = deleting();
    await attempt(1).run(deletePod(deps), pod);
    expect(deps.done).toEqual([pod]);
  });

  test('tells clients why a job goes on in another pod', async () => {
    const deps = deleting();
    await attempt(1).run(deletePod(deps), { ...pod, lost: 'pod attempt 1: the node is gone' });
    expect(deps.done).toEqual([{ ...pod, reason: 'pod attempt 1: the node is gone; the job runs again in another pod' }, pod]);
  });
});

describe('the image of a pod', () => {
  test('is written once, however often it is looked at, and again only when it could not be written', async () => {
    const written: string[] = [];
    let isAway = true;
    const images = onceForEachPod({
      async recordImage({ jobId, podAttempt }) {
        if (isAway) throw new Error('the ledger is away');
        written.push(`${jobId}/${podAttempt}`);
      },
    });
    const image = { ...pod, image: 'sha256:abc' };
    await expect(images.recordImage(image)).rejects.toThrow('the ledger is away');
    isAway = false;
    for (const attempt of [1, 1, 2]) await images.recordImage({ ...image, podAttempt: attempt });
    expect(written).toEqual([`${pod.jobId}/1`, `${pod.jobId}/2`]);
  });
});

describe('the phases that an agent drives', () => {
  test.each([
    ['runAlgorithm', runAlgorithm],
    ['publishOutputs', publishOutputs],
  ] as const)('%s keeps what the runtime says of the image, and nothing where it says nothing', async (_name, phase) => {
    const images: unknown[] = [];
    for (const outcome of [alive, { ...alive, image: 'sha256:abc' }])
      await expect(attempt(1).run(phase(observing(outcome, [], images)), pod)).rejects.toBeInstanceOf(CompleteAsyncError);
    expect(images).toEqual([{ ...pod, image: 'sha256:abc' }]);
  });

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
  ] as const)('%s fails at once when the pod can report no more (complaint: running without a pod)', async (_name, phase) => {
    await expect(attempt(1).run(phase(observing(lost)), pod)).rejects.toMatchObject({
      type: 'PodLost',
      message: 'pod attempt 1: the node is gone',
    });
  });

  describe.each([
    ['stageInputs', stageInputs],
    ['runAlgorithm', runAlgorithm],
    ['publishOutputs', publishOutputs],
  ] as const)('%s on a node that does not answer', (_name, phase) => {
    const doubtful: PodOutcome = { kind: 'alive', doubt: 'its node does not answer any more' };

    const look = async (heartbeatDetails: unknown) => {
      const environment = new MockActivityEnvironment({ attempt: 2, heartbeatDetails, heartbeatTimeoutMs: 12_000 });
      const beats: unknown[] = [];
      environment.on('heartbeat', (details: unknown) => beats.push(details));
      const failure: unknown = await environment.run(phase(observing(doubtful)), pod).catch((err: unknown) => err);
      return { failure, beats };
    };

    test('goes on while the agent speaks', async () => {
      const details = { phase: 'runAlgorithm', heardAtMs: Date.now() - 5_000 };
      expect(await look(details)).toEqual({ failure: expect.any(CompleteAsyncError), beats: [] });
    });

    test('counts from its first doubt where the agent has said nothing yet, and keeps what else was known', async () => {
      const failure = expect.any(CompleteAsyncError) as unknown;
      expect(await look(undefined)).toEqual({ failure, beats: [{ heardAtMs: expect.any(Number) }] });
      expect(await look({ phase: 'stageInputs' })).toEqual({ failure, beats: [{ phase: 'stageInputs', heardAtMs: expect.any(Number) }] });
    });

    test('has lost its pod when the agent is silent as well', async () => {
      const { failure, beats } = await look({ heardAtMs: Date.now() - 12_000 });
      expect(failure).toMatchObject({
        type: 'PodLost',
        message: 'pod attempt 1: its node does not answer any more, and neither does its agent',
      });
      expect(beats).toEqual([]);
    });
  });

  const going: PodOutcome = { kind: 'alive', ending: 'its node is being emptied' };

  test.each([
    ['stageInputs', stageInputs],
    ['runAlgorithm', runAlgorithm],
  ] as const)('%s does not go on in a pod that is being taken down', async (_name, phase) => {
    await expect(attempt(1).run(phase(observing(going)), pod)).rejects.toMatchObject({
      type: 'PodLost',
      message: 'pod attempt 1: its node is being emptied',
    });
  });

  test('a pod that is being taken down still publishes', async () => {
    await expect(attempt(1).run(publishOutputs(observing(going)), pod)).rejects.toBeInstanceOf(CompleteAsyncError);
  });

  test.each([
    ['stageInputs', stageInputs],
    ['runAlgorithm', runAlgorithm],
    ['publishOutputs', publishOutputs],
  ] as const)('%s passes on why a pod will never run', async (_name, phase) => {
    const failed: PodOutcome = { kind: 'failed', type: 'ImageUnavailable', message: 'no such image' };
    await expect(attempt(1).run(phase(observing(failed)), pod)).rejects.toMatchObject({
      type: 'ImageUnavailable',
      message: 'no such image',
    });
  });

  test.each([
    [false, 10],
    [true, 30],
  ])('clients are told what keeps the algorithm from beginning (the agent runs: %s)', async (agentRuns, status) => {
    const notes: unknown[] = [];
    const waiting: PodOutcome = { kind: 'alive', waiting: 'waiting for a node: Insufficient cpu', agentRuns };
    await expect(attempt(1).run(stageInputs(observing(waiting, notes)), pod)).rejects.toBeInstanceOf(CompleteAsyncError);
    expect(notes).toEqual([{ ...pod, status, reason: 'waiting for a node: Insufficient cpu' }]);
  });

  test('an ended algorithm is left to its agent first, which knows more than an exit code', async () => {
    await expect(attempt(1).run(runAlgorithm(observing(ended)), pod)).rejects.toBeInstanceOf(CompleteAsyncError);
  });

  test('after a long silence the exit code is read from the runtime (complaint: running though the pod has ended)', async () => {
    await expect(attempt(2).run(runAlgorithm(observing(ended)), pod)).resolves.toMatchObject({ exitCode: 3, end: 'ran' });
  });

  test('after a short one the agent still has the word: 137 may be out of memory, or its own doing', async () => {
    const killed: PodOutcome = { ...ended, exitCode: 137, oomKilled: true, finishedAtMs: Date.now() - 5_000 };
    await expect(attempt(2).run(runAlgorithm(observing(killed)), pod)).rejects.toBeInstanceOf(CompleteAsyncError);
  });

  test('an agent that saw an end which it cannot name has the runtime asked until that sees it too', async () => {
    const outcomes: PodOutcome[] = [alive, alive, { ...ended, exitCode: 137, oomKilled: true, finishedAtMs: Date.now() }];
    const pods = { observe: async () => outcomes.shift() ?? lost };
    const { images } = observing(alive);
    const details = { exitUnknown: true, heardAtMs: Date.now() };
    const asked = new MockActivityEnvironment({ attempt: 2, heartbeatDetails: details });
    const beats: unknown[] = [];
    asked.on('heartbeat', (beat: unknown) => beats.push(beat));
    await expect(asked.run(runAlgorithm({ pods, images }), pod)).resolves.toMatchObject({ exitCode: 137, oomKilled: true });
    expect(outcomes).toEqual([]);
    // the attempt after this one must know both, too
    expect(beats).toEqual([details, details]);
  });

  test.each([
    ['spoke a moment ago: its word is waited for', 1_000, CompleteAsyncError],
    ['has been silent since: its pod is lost', 20_000, { type: 'PodLost' }],
  ])('an agent on a silent node that saw an end which it cannot name and %s', async (_what, silentMs, expected) => {
    const details = { exitUnknown: true, heardAtMs: Date.now() - silentMs };
    const asked = new MockActivityEnvironment({ attempt: 3, heartbeatTimeoutMs: 6_000, heartbeatDetails: details });
    const silent: PodOutcome = { kind: 'alive', doubt: 'its node does not answer any more' };
    const failure: unknown = await asked.run(runAlgorithm(observing(silent)), pod).catch((err: unknown) => err);
    if (typeof expected === 'function') expect(failure).toBeInstanceOf(expected);
    else expect(failure).toMatchObject(expected);
  });
});

describe('createPod', () => {
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
    filters: [],
  };
  const place = { queue: { environmentId: 'small', kind: 'free' as const }, consumerKey: 'somebody' };
  const deps = (answer: PlaceAnswer) => ({
    places: { requestPlace: async () => answer },
    podSpecs: { podSpecOf: async () => spec },
    attempts: { beginPodAttempt: async (attempt: unknown) => void done.push(attempt) },
    records: { recordProgress: async (record: unknown) => void done.push(record) },
    pods: { create: async (given: PodSpec) => void done.push(given) },
  });
  const done: unknown[] = [];
  beforeEach(() => void (done.length = 0));

  test('makes no pod without a place, and says so at once', async () => {
    await expect(attempt(1).run(createPod(deps({ kind: 'waiting', ahead: 2 })), { pod, place })).resolves.toEqual({ kind: 'waiting' });
    expect(done).toEqual([]);
  });

  test('makes the pod once it has a place, and only after older attempts are worth nothing', async () => {
    await expect(attempt(1).run(createPod(deps({ kind: 'granted' })), { pod, place })).resolves.toEqual({ kind: 'created' });
    expect(done).toEqual([{ ...pod, hasPlace: true }, spec]);
  });

  test('asks nobody for a job that takes no place', async () => {
    await attempt(1).run(createPod(deps({ kind: 'full' })), { pod, place: null });
    expect(done).toEqual([{ ...pod, hasPlace: false }, spec]);
  });

  test('lets clients read what keeps the pod from being made, while that may pass', async () => {
    const failing = {
      ...deps({ kind: 'granted' }),
      pods: { create: () => Promise.reject(new JobFailure('NoCapacity', 'the quota is used up', { retryAfterSeconds: 30 })) },
    };
    await expect(attempt(1).run(createPod(failing), { pod, place })).rejects.toMatchObject({ type: 'NoCapacity', retryAfterSeconds: 30 });
    expect(done[1]).toEqual({ ...pod, status: 10, reason: 'the quota is used up' });
  });

  test('fails when so many wait already that this job may not', async () => {
    await expect(attempt(1).run(createPod(deps({ kind: 'full' })), { pod, place })).rejects.toMatchObject({
      type: 'NoCapacity',
      message: expect.stringMatching(/try again later/),
    });
    expect(done).toEqual([]);
  });
});

describe('auditPlaces', () => {
  test('tells who is over, and first removes what is left of their pods', async () => {
    const [open, ended, left] = [aJobId(), aJobId(), aJobId()];
    const removed: PodRef[] = [];
    const deps = {
      workflows: { isOpen: async (jobId: string) => jobId === open },
      fences: { currentPodAttempt: async () => 2 },
      pods: { remove: async (gone: PodRef) => void removed.push(gone) },
      offers: { maxJobs: () => 7 },
    };
    const queue = { environmentId: 'small', kind: 'paid' as const };
    await expect(attempt(1).run(auditPlaces(deps), { queue, holding: [open, ended], waiting: [left] })).resolves.toEqual({
      gone: [ended, left],
      maxJobs: 7,
    });
    expect(removed).toEqual([{ jobId: ended, podAttempt: 2 }]);
  });
});

describe('validateOrder', () => {
  const accepted: string[] = [];
  const deps = (taken: number, before: Admission | null = null, events: readonly JobEvent[] = []) => ({
    webhooks: { events },
    orders: { admit: async (spec: ReturnType<typeof aSpec>) => anAdmission(spec, { runSeconds: 7 }) },
    vacancies: { vacancy: async () => ({ taken, maxJobs: 2 }) },
    admissions: {
      readOrder: async (jobId: string) => ({ spec: aSpec({ jobId }), accepted: before }),
      acceptJob: async (jobId: string) => void accepted.push(jobId),
      prepareJob: async () => undefined,
    },
  });

  test('leaves an accepted job as it was, whatever is true today', async () => {
    const before = anAdmission(aSpec(), { runSeconds: 11 });
    await expect(attempt(1).run(validateOrder(deps(2, before)), { jobId: pod.jobId })).resolves.toEqual({
      jobId: pod.jobId,
      runSeconds: 11,
    });
    expect(accepted).toEqual([]);
  });

  test('accepts what was found good', async () => {
    await expect(attempt(1).run(validateOrder(deps(1)), { jobId: pod.jobId })).resolves.toEqual({ jobId: pod.jobId, runSeconds: 7 });
    expect(accepted).toEqual([pod.jobId]);
  });

  test('has the operator told of what is configured when the job is accepted', async () => {
    const events = ['start', 'stop'] as const;
    await expect(attempt(1).run(validateOrder(deps(1, null, events)), { jobId: aJobId() })).resolves.toMatchObject({ webhooks: events });
  });

  test("has nobody told of the service's own self-tests", async () => {
    const { admissions, ...rest } = deps(1, null, ['start', 'stop']);
    const readOrder = async (jobId: string) => ({ spec: aSpec({ jobId, surface: 'selfTest' }), accepted: null });
    const acceptance = await attempt(1).run(validateOrder({ ...rest, admissions: { ...admissions, readOrder } }), { jobId: aJobId() });
    expect(acceptance).not.toHaveProperty('webhooks');
  });

  test('refuses a job that may not wait when every place is taken', async () => {
    await expect(attempt(1).run(validateOrder(deps(2)), { jobId: aJobId() })).rejects.toMatchObject({ type: 'NoCapacity' });
    expect(accepted).toHaveLength(3);
  });
});

describe('the reaper', () => {
  const listed = (jobId: string, createdAtMs: number): ListedPod => ({
    pod: { jobId, podAttempt: 1 },
    environmentId: 'small',
    createdAtMs,
  });

  test('removes pods whose workflow is over, and no young one (complaint: pods left behind)', async () => {
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

  test('ends jobs that lost their workflow, begins those that never had one, and keeps queues running', async () => {
    const [waiting, running, stray, unjudged] = [aJobId(), aJobId(), aJobId(), aJobId()];
    const [unfit, paid, stuck] = [aJobId(), aJobId(), aJobId()];
    const unlocked: string[] = [];
    const records: unknown[] = [];
    const refusals: unknown[] = [];
    const [started, woken, released]: [string[], unknown[], unknown[]] = [[], [], []];
    const anOpenJob = (jobId: string, over: object = {}) => ({
      ...{ jobId, environmentId: 'small', isFree: true, admission: 'accepted' as const, podAttempt: 1 },
      ...over,
    });
    const jobs = [
      anOpenJob(running),
      anOpenJob(waiting, { podAttempt: 0, isFree: false }),
      anOpenJob(stray, { podAttempt: 2 }),
      anOpenJob(paid, { isFree: false }),
      anOpenJob(stuck, { isFree: false }),
      ...[unjudged, unfit].map((jobId) => anOpenJob(jobId, { admission: 'pending', podAttempt: 0 })),
    ];
    const deps = {
      openJobs: { openJobs: async () => jobs, dropEndedLogs: async () => undefined },
      workflows: { isOpen: async (jobId: string) => jobId === running || jobId === waiting },
      starts: {
        startJob: async (jobId: string) => {
          started.push(jobId);
          return jobId === unfit ? { kind: 'refused' as const, type: 'OrderInvalid', message: 'no' } : { kind: 'started' as const };
        },
      },
      records: { recordJob: async (record: unknown) => void records.push(record) },
      refusals: { refuseJob: async (jobId: string, refusal: object) => void refusals.push({ jobId, ...refusal }) },
      locks: {
        releaseLock: async (jobId: string) => {
          if (jobId === stuck) throw new JobFailure('ChainUnavailable', 'the chain is away');
          unlocked.push(jobId);
        },
      },
      queues: {
        wake: async (queue: unknown) => void woken.push(queue),
        releasePlace: async (queue: unknown, jobId: string) => void released.push([queue, jobId]),
      },
    };
    await expect(attempt(1).run(repairJobs(deps), { olderThanSeconds: 60 })).resolves.toEqual({ repaired: 4 });
    expect(records).toMatchObject([
      { jobId: stray, podAttempt: 2, status: 84 },
      { jobId: paid, status: 84 },
    ]);
    // a chain that is away holds up nobody else, and the job is looked at again
    expect(unlocked).toEqual([paid]);
    expect(started).toEqual([unjudged, unfit]);
    expect(refusals).toEqual([{ jobId: unfit, type: 'OrderInvalid', reason: 'no' }]);
    expect(released).toEqual([
      [{ environmentId: 'small', kind: 'free' }, stray],
      [{ environmentId: 'small', kind: 'paid' }, paid],
    ]);
    expect(woken).toEqual([{ environmentId: 'small', kind: 'paid' }]);
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
