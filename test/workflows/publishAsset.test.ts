import { WithStartWorkflowOperation, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { acceptUpdateId, assetWorkflowId, jobWorkflowId } from '../../workflows/contract/ids.ts';
import { awaitAccepted } from '../../workflows/contract/messages.ts';
import { aJobId, aJobRef, somePaymentTerms } from '../support/builders.ts';
import type { FakeWorld } from '../support/fakeWorld.ts';
import { recordHistory } from '../support/historyRecorder.ts';
import { useWorkflowServer } from '../support/workflowServer.ts';

const server = useWorkflowServer();
let world: FakeWorld;
beforeEach(() => void (world = server().world));

interface Started {
  readonly jobId: string;
  readonly handle: WorkflowHandle;
  readonly asset: WorkflowHandle;
}

const start = async (): Promise<Started> => {
  const { client, taskQueue } = server();
  const job = aJobRef({ environmentId: `env-${aJobId()}`, makesAsset: true });
  const { jobId } = job;
  const startWorkflowOperation = new WithStartWorkflowOperation('computeJob', {
    ...{ workflowId: jobWorkflowId(jobId), taskQueue, args: [job] },
    ...{ workflowIdConflictPolicy: 'USE_EXISTING', workflowIdReusePolicy: 'REJECT_DUPLICATE' },
  });
  await client.workflow.executeUpdateWithStart(awaitAccepted, { updateId: acceptUpdateId(jobId), startWorkflowOperation });
  const of = (workflowId: string): WorkflowHandle => client.workflow.getHandle(workflowId);
  return { jobId, handle: of(jobWorkflowId(jobId)), asset: of(assetWorkflowId(jobId)) };
};

const statesOf = ({ assets }: FakeWorld): string[] => assets.map(({ state }) => state);

describe('a job that makes an asset', () => {
  test('ends as if it made none, and its asset is made beside it', async () => {
    const { handle, asset } = await start();
    expect(await handle.result()).toMatchObject({ status: 70 });
    await asset.result();
    expect(world.assets.at(-1)).toMatchObject({
      ...{ state: 'published', did: 'did:op:new', reason: null },
      transactions: { create: '0xcreate', metadata: '0xmetadata', transfer: '0xtransfer' },
    });
    await recordHistory('finishedWithAsset', handle);
    await recordHistory('assetPublished', asset);
  });

  test('ends as finished although the asset cannot be made, which says why and is made when an operator tries again', async () => {
    const { client } = server();
    world.assetFailures.push(new JobFailure('TransactionReverted', 'a contract refused the transaction'));
    const { jobId, handle, asset } = await start();
    expect(await handle.result()).toMatchObject({ status: 70 });
    const err = await asset.result().catch((thrown: unknown) => thrown);
    expect((err as WorkflowFailedError).cause).toMatchObject({ type: 'TransactionReverted' });
    expect(world.assets.at(-1)).toMatchObject({ state: 'failed', reason: 'a contract refused the transaction' });
    await recordHistory('assetFailed', asset);
    const { runId } = await asset.describe();
    await client.workflowService.resetWorkflowExecution({
      namespace: client.options.namespace,
      workflowExecution: { workflowId: assetWorkflowId(jobId), runId },
      reason: 'funds are there',
      // the type asks for a Long, the protocol for any number
      workflowTaskFinishEventId: 4 as never,
      requestId: aJobId(),
    });
    await asset.result();
    expect(world.assets.at(-1)).toMatchObject({ state: 'published', reason: null });
  });

  test('waits for what goes away by itself, with the reason', async () => {
    world.assetFailures.push(new JobFailure('KeyNeedsFunds', 'the key needs funds', { retryAfterSeconds: 0.01 }));
    const { handle, asset } = await start();
    await handle.result();
    await asset.result();
    expect(world.assets.some(({ state, reason }) => state === 'publishing' && reason === 'the key needs funds')).toBe(true);
    expect(statesOf(world)).not.toContain('failed');
  });

  test("makes none of a failed algorithm's outputs", async () => {
    world.script = async (agent) => {
      await agent.done('stageInputs', { files: 1, bytes: 1 });
      await agent.done('runAlgorithm', agent.exit({ exitCode: 3 }));
      await agent.done('publishOutputs', { files: 1, bytes: 1 });
    };
    const { handle, asset } = await start();
    expect(await handle.result()).toMatchObject({ status: 82 });
    await expect(asset.describe()).rejects.toThrow(/not found/i);
  });

  test('makes none of outputs that were withheld', async () => {
    world.script = async (agent) => {
      await agent.done('stageInputs', { files: 1, bytes: 1 });
      await agent.done('runAlgorithm', agent.exit());
      await agent.failed('publishOutputs', { type: 'OutputsWithheld', retryable: false });
    };
    const { handle, asset } = await start();
    await expect(handle.result()).rejects.toMatchObject({ cause: { type: 'OutputsWithheld' } });
    await expect(asset.describe()).rejects.toThrow(/not found/i);
    expect(world.assets).toEqual([]);
  });

  test('has it made once its payment is settled', async () => {
    world.terms = somePaymentTerms();
    const { jobId, handle, asset } = await start();
    expect(await handle.result()).toMatchObject({ status: 70 });
    expect([world.records.map(({ status }) => status), world.locks.get(jobId)]).toEqual([[71, 70], 'claimed']);
    await asset.result();
    expect(world.assets.at(-1)).toMatchObject({ state: 'published' });
  });

  test('makes none when it is stopped while its outputs are published', async () => {
    const { begun, release } = world.holdPublishing();
    const { handle, asset } = await start();
    await begun;
    await handle.cancel();
    release();
    await expect(handle.result()).rejects.toBeInstanceOf(WorkflowFailedError);
    await expect(asset.describe()).rejects.toThrow(/not found/i);
    expect(world.assets).toEqual([]);
  });
});
