/** A worker of bare workflows, set up as the orchestrator's, and their caller. */

import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CompleteAsyncError } from '@temporalio/activity';
import { ActivityNotFoundError, WithStartWorkflowOperation, type Client, type WorkflowHandle } from '@temporalio/client';
import { DefaultLogger, Runtime, Worker, bundleWorkflowCode, type NativeConnection } from '@temporalio/worker';
import type { Keyring } from '../../infra/crypto/keyring.ts';
import { createDataConverter, failureConverterPath } from '../../infra/temporal/connect.ts';
import type { Cleanups } from '../../infra/toolchain/cleanups.ts';
import { bareAcceptance, type BareActivities, type bareJob, type bareStart } from './bareWorkflows.ts';

const bareQueue = 'bare';
const soonMs = 5;

const bareActivities: BareActivities = {
  nothing: async () => undefined,
  wait: async () => {
    throw new CompleteAsyncError();
  },
};

/** Lets the SDK tell errors only. Call it once, before anything else of it. */
export const silenceWorkers = (): void => {
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
};

/** Starts the worker; its end is in `cleanups`. */
export const startBareWorker = async (
  { connection, namespace, keyring }: { readonly connection: NativeConnection; readonly namespace: string; readonly keyring: Keyring },
  cleanups: Cleanups,
): Promise<void> => {
  const worker = await Worker.create({
    ...{ connection, namespace, taskQueue: bareQueue, activities: bareActivities, dataConverter: createDataConverter(keyring) },
    workflowBundle: await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('bareWorkflows.ts', import.meta.url)),
      failureConverterPath,
      logger: new DefaultLogger('ERROR'),
    }),
    maxCachedWorkflows: 1_000,
    workflowTaskPollerBehavior: { type: 'autoscaling' },
    activityTaskPollerBehavior: { type: 'autoscaling' },
  });
  runWorker(worker, cleanups);
};

/** Lets a worker poll until the end. */
export const runWorker = (worker: Worker, cleanups: Cleanups): void => {
  const running = worker.run();
  // told when it is ended: nobody waits for it before
  running.catch(() => undefined);
  cleanups.add(async () => {
    if (worker.getState() === 'RUNNING') worker.shutdown();
    await running;
  });
};

type BareWorkflow = typeof bareJob | typeof bareStart;

/** Starts a bare workflow and waits for its acceptance, as the API does with a job. */
export const startBare = async (client: Client, workflow: 'bareJob' | 'bareStart'): Promise<WorkflowHandle<BareWorkflow>> => {
  const startWorkflowOperation = new WithStartWorkflowOperation<BareWorkflow>(workflow, {
    workflowId: `bare/${randomBytes(16).toString('hex')}`,
    taskQueue: bareQueue,
    workflowIdConflictPolicy: 'USE_EXISTING',
  });
  await client.workflow.executeUpdateWithStart(bareAcceptance, { updateId: randomUUID(), startWorkflowOperation });
  return startWorkflowOperation.workflowHandle();
};

/** Completes an activity by its id, as the gateway does for agents: it may come too early. */
export const reportBare = async (client: Client, workflowId: string, activityId: string): Promise<void> => {
  for (;;) {
    try {
      return await client.activity.complete({ workflowId, activityId }, undefined);
    } catch (err) {
      if (!(err instanceof ActivityNotFoundError)) throw err;
      await delay(soonMs);
    }
  }
};
