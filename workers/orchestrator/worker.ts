/** The Temporal worker: workflows and activities on one queue. */

import { fileURLToPath } from 'node:url';
import { DefaultLogger, Runtime, Worker, bundleWorkflowCode, type NativeConnection, type WorkflowBundleOption } from '@temporalio/worker';
import type { DataConverter } from '@temporalio/common';
import type { Activities } from '../../activities/index.ts';
import type { Logger } from '../../infra/process/logger.ts';
import { orchestratorQueue } from '../../workflows/contract/ids.ts';
import { FailureInterceptor } from './failureInterceptor.ts';

const workflowsPath = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));

/** Sends the SDK's own log lines to ours, and ends no process: main.ts does that. Call once, before any worker. */
export const installRuntime = (logger: Logger): void => {
  Runtime.install({
    logger: new DefaultLogger('INFO', ({ level, message, meta }) => {
      const line = { ...meta };
      if (level === 'ERROR') logger.error(line, message);
      else if (level === 'WARN') logger.warn(line, message);
      else logger.debug(line, message);
    }),
    shutdownSignals: [],
    telemetryOptions: { logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} } },
  });
};

/** @param failureConverterPath the module that clients load too */
export const bundleWorkflows = async (failureConverterPath: string): Promise<{ readonly code: string }> =>
  bundleWorkflowCode({ workflowsPath, failureConverterPath, logger: new DefaultLogger('ERROR') });

/** What a worker is made of. */
export interface WorkerDeps {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly dataConverter: DataConverter;
  readonly workflowBundle: WorkflowBundleOption;
  readonly activities: Activities;
  readonly maxActivities: number;
  readonly maxWorkflowTasks: number;
}

/** A worker that polls as soon as it is run. */
export const createWorker = (deps: WorkerDeps): Promise<Worker> =>
  Worker.create({
    connection: deps.connection,
    namespace: deps.namespace,
    dataConverter: deps.dataConverter,
    taskQueue: orchestratorQueue,
    workflowBundle: deps.workflowBundle,
    activities: deps.activities,
    interceptors: { activity: [() => ({ inbound: new FailureInterceptor() })] },
    maxConcurrentActivityTaskExecutions: deps.maxActivities,
    maxConcurrentWorkflowTaskExecutions: deps.maxWorkflowTasks,
    maxCachedWorkflows: 1_000,
    workflowTaskPollerBehavior: { type: 'autoscaling' },
    activityTaskPollerBehavior: { type: 'autoscaling' },
    // a stop must reach an image pull within a second
    maxHeartbeatThrottleInterval: '1s',
    shutdownGraceTime: '15s',
    shutdownForceTime: '45s',
  });
