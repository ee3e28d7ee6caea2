import { WithStartWorkflowOperation, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { acceptUpdateId, jobWorkflowId } from '../../workflows/contract/ids.ts';
import type { Acceptance, AlgorithmExit, JobEnd, JobRef } from '../../workflows/contract/job.ts';
import { awaitAccepted } from '../../workflows/contract/messages.ts';
import { aJobId, aJobRef, somePaymentTerms } from '../support/builders.ts';
import { wellBehaved, type AgentScript, type FakeWorld } from '../support/fakeWorld.ts';
import { recordHistory } from '../support/historyRecorder.ts';
import { useWorkflowServer } from '../support/workflowServer.ts';

const server = useWorkflowServer();
let world: FakeWorld;
beforeEach(() => void (world = server().world));

const start = async (over: Partial<JobRef> = {}): Promise<{ job: JobRef; handle: WorkflowHandle; accepted: Promise<Acceptance> }> => {
  const { client, taskQueue } = server();
  // an environment of its own: its queue is real and outlives the test
  const job = aJobRef({ environmentId: `env-${aJobId()}`, ...over });
  const startWorkflowOperation = new WithStartWorkflowOperation('computeJob', {
    workflowId: jobWorkflowId(job.jobId),
    taskQueue,
    args: [job],
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
  });
  const accepted = client.workflow.executeUpdateWithStart(awaitAccepted, { updateId: acceptUpdateId(job.jobId), startWorkflowOperation });
  await startWorkflowOperation.workflowHandle();
  return { job, handle: client.workflow.getHandle(jobWorkflowId(job.jobId)), accepted };
};

const endOf = (handle: WorkflowHandle): Promise<JobEnd> => handle.result() as Promise<JobEnd>;
const failureOf = async (handle: WorkflowHandle): Promise<unknown> => {
  const err = await handle.result().catch((thrown: unknown) => thrown);
  expect(err).toBeInstanceOf(WorkflowFailedError);
  return (err as WorkflowFailedError).cause;
};
const lastRecord = () => world.records.at(-1);

describe('a job that runs', () => {
  test('is accepted before its pod exists and ends as finished', async () => {
    const { job, handle, accepted } = await start();
    expect(await accepted).toEqual({ jobId: job.jobId, runSeconds: 60 });
    expect(await endOf(handle)).toMatchObject({ status: 70, exitCode: 0 });
    expect(lastRecord()).toMatchObject({ status: 70, end: { status: 70 }, algorithm: { finishedAtMs: 2_000 } });
    await recordHistory('finished', handle);
  });

  test.each([
    ["exit code 3 is the algorithm's own failure", 82, { exitCode: 3 }, 'algorithmFailed'],
    ['an OOM kill is told as such', 83, { exitCode: 137, oomKilled: true }, 'outOfMemory'],
    ['a command that is not in the image could not be run', 41, { exitCode: null, end: 'unstartable' as const }, 'unstartable'],
    ['a full disk is told as such', 42, { exitCode: null, end: 'diskQuotaExceeded' as const }, 'diskQuotaExceeded'],
  ])('%s, and its outputs are published (complaint: out of memory is not shown)', async (_name, status, exit, history) => {
    let published = false;
    world.script = async (agent) => {
      await agent.done('stageInputs', { files: 1, bytes: 1 });
      await agent.done('runAlgorithm', agent.exit(exit));
      await agent.done('publishOutputs', { files: 1, bytes: 1 });
      published = true;
    };
    const { handle } = await start();
    expect(await endOf(handle)).toMatchObject({ status });
    expect(published).toBe(true);
    await recordHistory(history, handle);
  });
});

describe('a job that is refused', () => {
  test('starts nothing and says why (complaint: start fails with success)', async () => {
    world.refuse = new JobFailure('OrderInvalid', 'the order has expired');
    const { handle, accepted } = await start();
    await expect(accepted).rejects.toMatchObject({ cause: { type: 'OrderInvalid', message: 'the order has expired' } });
    expect(await failureOf(handle)).toMatchObject({ type: 'OrderInvalid' });
    expect(world.starts).toEqual([]);
    expect(world.refusals).toMatchObject([{ type: 'OrderInvalid', reason: 'the order has expired' }]);
    await recordHistory('refused', handle);
  });

  test('gets the same answer when asked again after its end', async () => {
    world.refuse = new JobFailure('AccessDenied', 'no');
    const { job, handle, accepted } = await start();
    await expect(accepted).rejects.toMatchObject({ cause: { type: 'AccessDenied' } });
    await failureOf(handle);
    world.refuse = undefined;
    const again = await start({ jobId: job.jobId });
    await expect(again.accepted).rejects.toMatchObject({ cause: { type: 'AccessDenied' } });
  });
});

describe('a stop', () => {
  const never = new Promise<void>(() => undefined);

  test('while the job waits for a place ends it at once', async () => {
    world.places = 0;
    const { handle, accepted } = await start({ limits: { ...aJobRef().limits, queueSeconds: 60 } });
    await accepted;
    await handle.cancel();
    expect(await failureOf(handle)).toBeInstanceOf(CancelledFailure);
    expect(lastRecord()).toMatchObject({ status: 80, end: { status: 80, exitCode: null } });
    expect(world.starts).toEqual([]);
    await recordHistory('stoppedWhileQueued', handle);
  });

  test('while staging goes straight to teardown', async () => {
    let staging: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (staging = resolve));
    world.script = async () => (staging(), never);
    const { handle } = await start();
    await begun;
    await handle.cancel();
    expect(await failureOf(handle)).toBeInstanceOf(CancelledFailure);
    expect(lastRecord()).toMatchObject({ status: 80 });
    await recordHistory('stoppedWhileStaging', handle);
  });

  test('while running ends the algorithm and publishes what exists', async () => {
    let runs: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (runs = resolve));
    let published = false;
    world.script = async (agent) => {
      await agent.done('stageInputs', { files: 1, bytes: 1 });
      runs();
      await agent.stopped;
      await agent.done('publishOutputs', { files: 1, bytes: 1 });
      published = true;
    };
    const { handle } = await start();
    await begun;
    await handle.cancel();
    expect(await failureOf(handle)).toBeInstanceOf(CancelledFailure);
    expect(published).toBe(true);
    expect(lastRecord()).toMatchObject({ status: 80, reason: 'stopped by the consumer' });
    await recordHistory('stoppedWhileRunning', handle);
  });

  test("that takes the pod down tells the algorithm's end as its agent saw it", async () => {
    let runs: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (runs = resolve));
    world.script = async (agent) => {
      await agent.done('stageInputs', { files: 1, bytes: 1 });
      runs();
      await agent.stopped;
      await agent.done('publishOutputs', { files: 1, bytes: 1, exit: { exitCode: 5, finishedAtMs: 7 } });
    };
    const { handle } = await start();
    await begun;
    await handle.cancel();
    expect(await failureOf(handle)).toBeInstanceOf(CancelledFailure);
    expect(lastRecord()).toMatchObject({ status: 80, end: { exitCode: 5 }, algorithm: { finishedAtMs: 7 } });
  });

  test('while publishing waits for what is being published, and still ends as stopped', async () => {
    const { begun, release } = world.holdPublishing();
    const { handle } = await start();
    await begun;
    await handle.cancel();
    release();
    expect(await failureOf(handle)).toBeInstanceOf(CancelledFailure);
    expect(lastRecord()).toMatchObject({ status: 80, end: { exitCode: 0 } });
    await recordHistory('stoppedWhilePublishing', handle);
  });
});

describe('a time limit', () => {
  test('ends the algorithm and publishes what exists', async () => {
    world.runSeconds = 1;
    world.script = async (agent) => {
      await agent.done('stageInputs', { files: 1, bytes: 1 });
      await agent.stopped;
      await agent.done('publishOutputs', { files: 1, bytes: 1 });
    };
    const { handle } = await start();
    expect(await endOf(handle)).toMatchObject({ status: 81, reason: 'the algorithm ran longer than the 1 s it was granted' });
    await recordHistory('timedOut', handle);
  });
});

describe('a lost pod', () => {
  test('has a successor, and the job ends as if nothing had been (complaint: a failed pod comes back beside its successor)', async () => {
    world.script = async (agent) => {
      if (agent.pod.podAttempt > 1) return wellBehaved(agent);
      await agent.done('stageInputs', { files: 1, bytes: 1 });
      world.lose(agent.pod);
    };
    const { handle } = await start({ heartbeatSeconds: 1 });
    expect(await endOf(handle)).toMatchObject({ status: 70 });
    expect(world.starts.map(({ podAttempt }) => podAttempt)).toEqual([1, 2]);
    expect(world.mostPods).toBe(1);
    expect(world.losses).toMatchObject([
      { podAttempt: 1, reason: expect.stringMatching(/node is gone; the job runs again in another pod$/) },
    ]);
    expect(lastRecord()).toMatchObject({ podAttempt: 2, status: 70 });
    await recordHistory('podLostOnce', handle);
  }, 60_000);

  test('again and again ends the job as lost by the platform', async () => {
    world.script = async (agent) => world.lose(agent.pod);
    const { handle } = await start({ heartbeatSeconds: 1, limits: { ...aJobRef().limits, podAttempts: 2 } });
    expect(await failureOf(handle)).toMatchObject({ type: 'PodLost' });
    expect(lastRecord()).toMatchObject({ status: 84, end: { reason: expect.stringContaining('lost 2 pods') } });
    await recordHistory('podLostForGood', handle);
  }, 60_000);
});

describe('an agent that falls silent', () => {
  test("is looked at, not killed: its algorithm's end is read from the runtime (complaint: throttled heartbeats kill jobs)", async () => {
    world.script = async (agent) => {
      await agent.done('stageInputs', { files: 1, bytes: 1 });
      const pod = [...world.pods.values()][0]!;
      pod.outcome = { kind: 'ended', exitCode: 4, oomKilled: false, startedAtMs: 1, finishedAtMs: 2 };
      await agent.done('publishOutputs', { files: 0, bytes: 0 });
    };
    const { handle } = await start({ heartbeatSeconds: 1 });
    expect(await endOf(handle)).toMatchObject({ status: 82, exitCode: 4 });
    await recordHistory('silentAgent', handle);
  }, 60_000);
});

describe('a failure', () => {
  test.each([
    ['of a dataset ends the job as not provisioned', 'InputUnavailable' as const, 31, 'inputUnavailable'],
    ["of the algorithm's file is told apart", 'AlgorithmUnavailable' as const, 32, 'algorithmUnavailable'],
  ])('%s', async (_name, type, status, history) => {
    world.script = async (agent) => agent.failed('stageInputs', { type, retryable: false });
    const { handle } = await start();
    expect(await failureOf(handle)).toMatchObject({ type });
    expect(lastRecord()).toMatchObject({ status, end: { exitCode: null } });
    await recordHistory(history, handle);
  });

  test('of the image ends the job before anything runs', async () => {
    world.creationFailures.push(new JobFailure('ImageUnavailable', 'no such image'));
    const { handle } = await start();
    expect(await failureOf(handle)).toMatchObject({ type: 'ImageUnavailable' });
    expect(lastRecord()).toMatchObject({ status: 11 });
    await recordHistory('imageUnavailable', handle);
  });

  test('of the platform is tried again, and nobody notices', async () => {
    world.creationFailures.push(
      new Error('the engine is away'),
      new JobFailure('ImagePullFailed', 'slow down', { retryAfterSeconds: 0.1 }),
    );
    const { handle } = await start();
    expect(await endOf(handle)).toMatchObject({ status: 70 });
  });

  test('of the storage is tried again in the same pod, and nothing is lost (complaint: results lost after a failed upload)', async () => {
    world.script = async (agent) => {
      await agent.done('stageInputs', { files: 1, bytes: 1 });
      await agent.done('runAlgorithm', agent.exit());
      await agent.failed('publishOutputs', { type: 'StorageRefused', retryable: true });
      await agent.nextAttempt('publishOutputs');
      await agent.done('publishOutputs', { files: 1, bytes: 1 });
    };
    const { handle } = await start();
    expect(await endOf(handle)).toMatchObject({ status: 70 });
    expect(world.starts).toHaveLength(1);
    await recordHistory('storageRefusedOnce', handle);
  });

  test('of the storage for good is told with its reason', async () => {
    world.script = async (agent) => {
      await agent.done('stageInputs', { files: 1, bytes: 1 });
      await agent.done('runAlgorithm', agent.exit());
      await agent.failed('publishOutputs', { type: 'StorageRefused', retryable: true });
    };
    const { handle } = await start({ heartbeatSeconds: 1, limits: { ...aJobRef().limits, publishSeconds: 3 } });
    const failure = await failureOf(handle);
    expect(failure).toBeInstanceOf(ApplicationFailure);
    expect(lastRecord()).toMatchObject({ status: 62, end: { exitCode: 0 } });
  }, 60_000);

  test('to get a place in time is told as such', async () => {
    world.places = 0;
    const { handle } = await start({ limits: { ...aJobRef().limits, queueSeconds: 1 } });
    expect(await failureOf(handle)).toMatchObject({ type: 'QueueTimedOut' });
    expect(lastRecord()).toMatchObject({ status: 2, reason: expect.stringMatching(/within 1 s; try again later or allow a longer/) });
    await recordHistory('queueTimedOut', handle);
  });
});

describe('a job that costs something', () => {
  beforeEach(() => void (world.terms = somePaymentTerms()));

  const statuses = () => world.records.map(({ status }) => status);
  const exitWith =
    (over: Partial<AlgorithmExit>): AgentScript =>
    async (agent) => {
      await agent.done('stageInputs', { files: 1, bytes: 1 });
      await agent.done('runAlgorithm', agent.exit(over));
      await agent.done('publishOutputs', { files: 1, bytes: 1 });
    };

  test('is accepted once its payment is locked, and tells its end once that is claimed', async () => {
    let unlock: () => void = () => undefined;
    world.locking = new Promise((resolve) => (unlock = resolve));
    const { job, handle, accepted } = await start();
    const first = await Promise.race([accepted, new Promise((resolve) => setTimeout(resolve, 200))]);
    expect([first, world.starts]).toEqual([undefined, []]);
    unlock();
    expect(await accepted).toMatchObject({ jobId: job.jobId, needsLock: true });
    expect(await endOf(handle)).toMatchObject({ status: 70 });
    expect([world.accepted, statuses(), world.locks.get(job.jobId)]).toEqual([[job.jobId], [71, 70], 'claimed']);
    await recordHistory('paidFinished', handle);
  });

  test.each([
    ['exit code 3', 82, { exitCode: 3 }],
    ['an OOM kill', 83, { exitCode: 137, oomKilled: true }],
    ['a full disk', 42, { exitCode: null, end: 'diskQuotaExceeded' as const }],
  ])('pays for the run of an algorithm that ends with %s', async (_name, status, exit) => {
    world.script = exitWith(exit);
    const { job, handle } = await start();
    expect(await endOf(handle)).toMatchObject({ status });
    expect([statuses(), world.locks.get(job.jobId)]).toEqual([[71, status], 'claimed']);
  });

  test('ocean-node: locks not released. One that fails pays nothing and has its lock back', async () => {
    world.script = (agent) => agent.failed('stageInputs', { type: 'InputUnavailable', retryable: false });
    const { job, handle } = await start();
    expect(await failureOf(handle)).toMatchObject({ type: 'InputUnavailable' });
    expect([statuses(), world.locks.get(job.jobId)]).toEqual([[31], 'released']);
    await recordHistory('paidFailed', handle);
  });

  test('ocean-node: platform faults are never billed. A job whose pods were lost pays nothing', async () => {
    world.script = async (agent) => world.lose(agent.pod);
    const { job, handle } = await start({ heartbeatSeconds: 0.2, limits: { ...aJobRef().limits, podAttempts: 1 } });
    expect(await failureOf(handle)).toMatchObject({ type: 'PodLost' });
    expect([statuses(), world.locks.get(job.jobId)]).toEqual([[84], 'released']);
  });

  test('a lock that the contract refuses refuses the job', async () => {
    world.lockFailure = new JobFailure('PaymentInvalid', 'No auth found');
    const { handle, accepted } = await start();
    await expect(accepted).rejects.toMatchObject({ cause: { type: 'PaymentInvalid', message: 'No auth found' } });
    expect(await failureOf(handle)).toMatchObject({ type: 'PaymentInvalid' });
    expect([world.accepted, world.starts, world.refusals]).toMatchObject([[], [], [{ type: 'PaymentInvalid' }]]);
    await recordHistory('lockRefused', handle);
  });

  test('a stop while the payment is being locked gives the lock back', async () => {
    world.ranSeconds = null;
    let unlock: () => void = () => undefined;
    world.locking = new Promise((resolve) => (unlock = resolve));
    const { job, handle, accepted } = await start();
    accepted.catch(() => undefined);
    await handle.cancel();
    unlock();
    await handle.result().catch(() => undefined);
    expect([world.starts, world.locks.get(job.jobId)]).toEqual([[], 'released']);
  });

  test('a stop before the algorithm began costs nothing', async () => {
    world.places = 0;
    world.ranSeconds = null;
    const { job, handle, accepted } = await start({ limits: { ...aJobRef().limits, queueSeconds: 60 } });
    await accepted;
    await handle.cancel();
    expect(await failureOf(handle)).toBeInstanceOf(CancelledFailure);
    expect([statuses(), world.locks.get(job.jobId)]).toEqual([[71, 80], 'released']);
  });

  test('a payment that cannot be claimed changes nothing about the end', async () => {
    world.claimFailure = new JobFailure('TransactionReverted', 'Lock not found');
    const { handle } = await start();
    expect(await endOf(handle)).toMatchObject({ status: 70 });
    expect(statuses()).toEqual([71, 70]);
  });
});
