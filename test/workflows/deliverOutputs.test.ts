import { WithStartWorkflowOperation, type WorkflowHandle } from '@temporalio/client';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { acceptUpdateId, jobWorkflowId } from '../../workflows/contract/ids.ts';
import type { JobRef } from '../../workflows/contract/job.ts';
import { awaitAccepted } from '../../workflows/contract/messages.ts';
import { askedDelivery, type OutputTarget } from '../../workflows/contract/output.ts';
import { aJobId, aJobRef, somePaymentTerms } from '../support/builders.ts';
import { eventually } from '../support/heldJobs.ts';
import type { FakeWorld } from '../support/fakeWorld.ts';
import { recordHistory } from '../support/historyRecorder.ts';
import { useWorkflowServer } from '../support/workflowServer.ts';

const server = useWorkflowServer();
let world: FakeWorld;
const target: OutputTarget = {
  ...{ endpoint: 'https://s3.example', region: 'r', bucket: 'b', objectKey: 'k/', pathStyle: true, aesKey: null },
  ...{ accessKeyId: 'a', secretAccessKey: 's' },
};
beforeEach(() => {
  world = server().world;
  world.order = { target, delivery: askedDelivery(target, aJobId()), podAttempt: 1, store: 'default', results: [], publishedAtMs: 0 };
});
afterEach(() => expect(world.pods.size).toBe(0));

const start = async (over: Partial<JobRef> = {}): Promise<{ jobId: string; handle: WorkflowHandle }> => {
  const { client, taskQueue } = server();
  const job = aJobRef({ environmentId: `env-${aJobId()}`, deliversOutputs: true, ...over });
  const startWorkflowOperation = new WithStartWorkflowOperation('computeJob', {
    ...{ workflowId: jobWorkflowId(job.jobId), taskQueue, args: [job] },
    ...{ workflowIdConflictPolicy: 'USE_EXISTING', workflowIdReusePolicy: 'REJECT_DUPLICATE' },
  });
  await client.workflow.executeUpdateWithStart(awaitAccepted, { updateId: acceptUpdateId(job.jobId), startWorkflowOperation });
  return { jobId: job.jobId, handle: client.workflow.getHandle(jobWorkflowId(job.jobId)) };
};

const unavailable = (retryAfterSeconds = 0.05): JobFailure =>
  new JobFailure('OutputTargetUnavailable', 'it does not answer', { retryAfterSeconds });
const refused = (): JobFailure => new JobFailure('OutputTargetRefused', 'the bucket is gone');
const lastRecord = () => world.records.at(-1);

describe('a job whose outputs go elsewhere', () => {
  test('ends when they have arrived, however often the storage was away, and says why it waited', async () => {
    world.deliveryFailures.push(unavailable(), unavailable());
    const { handle } = await start();
    expect(await handle.result()).toMatchObject({ status: 70 });
    expect([world.deliveries.length, world.deliveryFailures.length]).toEqual([1, 0]);
    expect(world.reasons).toContain('it does not answer; it is tried again');
    expect(lastRecord()).toMatchObject({ status: 70, end: { status: 70 } });
    await recordHistory('delivered', handle);
  });

  test("keeps its results here when the storage refuses them, and that is its consumer's fault", async () => {
    world.deliveryFailures.push(refused());
    const { handle } = await start();
    await expect(handle.result()).rejects.toMatchObject({ cause: { type: 'OutputTargetRefused' } });
    expect(lastRecord()).toMatchObject({
      status: 62,
      reason: expect.stringMatching(/could not be delivered and are among the results here: the bucket is gone$/) as unknown,
      end: { status: 62, exitCode: 0 },
    });
    await recordHistory('notDelivered', handle);
  });

  test('is given up when the storage stays away, with its reason', async () => {
    world.deliveryFailures.push(...Array.from({ length: 10 }, () => unavailable(1.5)));
    const { handle } = await start({ limits: { ...aJobRef().limits, publishSeconds: 2 } });
    await expect(handle.result()).rejects.toMatchObject({ cause: { type: 'OutputTargetUnavailable' } });
    expect(lastRecord()).toMatchObject({ status: 62, reason: expect.stringMatching(/it does not answer$/) as unknown });
  });

  test('waits no more when it is stopped, and then has its outputs here and costs what its run has cost', async () => {
    world.terms = somePaymentTerms();
    world.deliveryFailures.push(unavailable(30));
    const { jobId, handle } = await start();
    await eventually('it waits', async () => world.reasons.includes('it does not answer; it is tried again') || undefined);
    await handle.cancel();
    await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
    expect(lastRecord()).toMatchObject({
      status: 80,
      reason: 'stopped by the consumer before its outputs were delivered; they are among the results here',
      end: { status: 80, exitCode: 0 },
    });
    expect([world.deliveries.length, world.locks.get(jobId)]).toEqual([0, 'claimed']);
    await recordHistory('stoppedWhileDelivering', handle);
  });

  test('has its outputs delivered although it was stopped before', async () => {
    const { begun, release } = world.holdPublishing();
    const { handle } = await start();
    await begun;
    await handle.cancel();
    release();
    await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
    expect([lastRecord()?.status, world.deliveries.length]).toEqual([80, 1]);
  });

  test('keeps the end of an algorithm that failed by itself', async () => {
    world.script = async (agent) => {
      await agent.done('stageInputs', { files: 1, bytes: 1 });
      await agent.done('runAlgorithm', agent.exit({ exitCode: 3 }));
      await agent.done('publishOutputs', { files: 1, bytes: 1 });
    };
    world.deliveryFailures.push(refused());
    const { handle } = await start();
    expect(await handle.result()).toMatchObject({
      status: 82,
      exitCode: 3,
      reason: expect.stringMatching(/exit code 3; its outputs/) as unknown,
    });
  });

  test('costs what its run has cost, wherever its outputs are in the end', async () => {
    world.terms = somePaymentTerms();
    world.deliveryFailures.push(refused());
    const { jobId, handle } = await start();
    await handle.result().catch(() => undefined);
    expect([lastRecord()?.status, world.locks.get(jobId)]).toEqual([62, 'claimed']);
  });
});
