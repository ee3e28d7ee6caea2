import { WithStartWorkflowOperation, type WorkflowHandle } from '@temporalio/client';
import { acceptUpdateId, jobWorkflowId, webhookWorkflowId } from '../../workflows/contract/ids.ts';
import type { JobEvent } from '../../workflows/contract/job.ts';
import { awaitAccepted } from '../../workflows/contract/messages.ts';
import { aJobId, aJobRef, somePaymentTerms } from '../support/builders.ts';
import type { FakeWorld } from '../support/fakeWorld.ts';
import { recordHistory } from '../support/historyRecorder.ts';
import { useWorkflowServer } from '../support/workflowServer.ts';

const server = useWorkflowServer();
let world: FakeWorld;
beforeEach(() => void (world = server().world));

const start = async (events: readonly JobEvent[]) => {
  const { client, taskQueue } = server();
  world.webhookEvents.push(...events);
  const job = aJobRef({ environmentId: `env-${aJobId()}` });
  const { jobId } = job;
  const startWorkflowOperation = new WithStartWorkflowOperation('computeJob', {
    ...{ workflowId: jobWorkflowId(jobId), taskQueue, args: [job] },
    ...{ workflowIdConflictPolicy: 'USE_EXISTING', workflowIdReusePolicy: 'REJECT_DUPLICATE' },
  });
  await client.workflow.executeUpdateWithStart(awaitAccepted, { updateId: acceptUpdateId(jobId), startWorkflowOperation });
  const of = (workflowId: string): WorkflowHandle => client.workflow.getHandle(workflowId);
  const webhookOf = (event: JobEvent): WorkflowHandle => of(webhookWorkflowId(jobId, event));
  return { jobId, handle: of(jobWorkflowId(jobId)), webhookOf };
};

const deliveries = (): string[] => world.webhooks.map(({ delivery }) => delivery);

describe('a job of which the operator wants to be told', () => {
  test('is told of when it is accepted and when it has ended, each once', async () => {
    const { jobId, handle, webhookOf } = await start(['start', 'stop']);
    expect(await handle.result()).toMatchObject({ status: 70 });
    await Promise.all([webhookOf('start').result(), webhookOf('stop').result()]);
    expect(deliveries().toSorted()).toEqual([`${jobId}/start`, `${jobId}/stop`]);
    const ended = world.webhooks.find(({ delivery }) => delivery.endsWith('stop'));
    expect(ended?.body).toMatchObject({ event: 'stop', jobId, status: 70, terminationDetails: { exitCode: 0, OOMKilled: false } });
    await recordHistory('finishedWithWebhooks', handle);
    await recordHistory('webhookPosted', webhookOf('stop'));
  });

  test('ends, and leaves its pod and its place, while the receiver still makes nobody an answer', async () => {
    let answer: () => void = () => undefined;
    world.receiving = new Promise((resolve) => (answer = resolve));
    const { handle, webhookOf } = await start(['start', 'stop']);
    expect(await handle.result()).toMatchObject({ status: 70 });
    expect([world.records.at(-1)?.status, world.pods.size, world.webhooks]).toEqual([70, 0, []]);
    answer();
    await Promise.all([webhookOf('start').result(), webhookOf('stop').result()]);
  });

  test('is told of again when the receiver fails, under the same delivery', async () => {
    world.webhookFailures.push(new Error('the receiver of webhooks answered 503'));
    const { jobId, handle, webhookOf } = await start(['stop']);
    await handle.result();
    await webhookOf('stop').result();
    expect(deliveries()).toEqual([`${jobId}/stop`]);
  });

  test('is told of when it was stopped', async () => {
    world.script = async (agent) => {
      await agent.done('stageInputs', { files: 1, bytes: 1 });
      await agent.stopped;
      await agent.done('publishOutputs', { files: 0, bytes: 0 });
    };
    const { handle, webhookOf } = await start(['stop']);
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
    await webhookOf('stop').result();
    expect(world.webhooks).toMatchObject([{ body: { status: 80, terminationDetails: { reason: 'stopped by the consumer' } } }]);
  });

  test('is told of once its payment is settled', async () => {
    world.terms = somePaymentTerms();
    const { jobId, handle, webhookOf } = await start(['stop']);
    expect(await handle.result()).toMatchObject({ status: 70 });
    await webhookOf('stop').result();
    expect([deliveries(), world.locks.get(jobId)]).toEqual([[`${jobId}/stop`], 'claimed']);
  });
});

test.each([
  [['start'], ['stop']],
  [['stop'], ['start']],
  [[], ['start', 'stop']],
] as [JobEvent[], JobEvent[]][])('an operator who wants to hear of %j hears nothing of %j', async (wanted, unwanted) => {
  const { jobId, handle, webhookOf } = await start(wanted);
  await handle.result();
  await Promise.all(wanted.map((event) => webhookOf(event).result()));
  for (const event of unwanted) await expect(webhookOf(event).describe()).rejects.toThrow(/not found/i);
  expect(deliveries()).toEqual(wanted.map((event) => `${jobId}/${event}`));
});
