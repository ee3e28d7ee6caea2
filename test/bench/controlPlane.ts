/** The control plane of one orchestrator: Temporal, ledger, queue and workflows are real; chain and pods are stand-ins. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CompleteAsyncError } from '@temporalio/activity';
import { ActivityNotFoundError, type Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker, bundleWorkflowCode } from '@temporalio/worker';
import { createActivities, type ActivityDeps } from '../../activities/index.ts';
import { createKeyring, keyringText } from '../../infra/crypto/keyring.ts';
import { connectLedger, migrateLedger } from '../../infra/ledger/connect.ts';
import { createLedger, type Ledger } from '../../infra/ledger/ledger.ts';
import { connectTemporal, createDataConverter, failureConverterPath, temporalKeys } from '../../infra/temporal/connect.ts';
import { createCleanups } from '../../infra/toolchain/cleanups.ts';
import { startPostgres } from '../../infra/toolchain/postgres.ts';
import { ensureTemporalCli } from '../../infra/toolchain/temporal.ts';
import { startTemporal } from '../../infra/toolchain/temporalServer.ts';
import { bundleWorkflows, createWorker } from '../../workers/orchestrator/worker.ts';
import { z } from 'zod';
import { FakeWorld } from '../support/fakeWorld.ts';
import type { BareActivities } from './bareWorkflows.ts';

/** What a measurement works with. */
export interface ControlPlane {
  readonly client: Client;
  readonly ledger: Ledger;
  readonly world: FakeWorld;
  close(): Promise<void>;
}

/** Where the bare workflows wait for their worker. */
export const bareQueue = 'bare';

/** Activities as an orchestrator has them, but for orders, which are all good, and pods, whose agents report at once. */
const joinActivities = (world: FakeWorld, ledger: Ledger): ActivityDeps => ({
  ...world.deps(),
  admissions: ledger,
  attempts: ledger,
  losses: ledger,
  positions: ledger,
  claims: ledger,
  fences: ledger,
  records: ledger,
  refusals: ledger,
  openJobs: ledger,
});

const bareActivities = (
  client: Client,
): BareActivities & { readonly report: (workflowId: string, activityId: string) => Promise<void> } => ({
  nothing: async () => undefined,
  wait: async () => {
    throw new CompleteAsyncError();
  },
  report: async (workflowId, activityId) => {
    for (;;) {
      try {
        return await client.activity.complete({ workflowId, activityId }, undefined);
      } catch (err) {
        if (!(err instanceof ActivityNotFoundError)) throw err;
        await delay(5);
      }
    }
  },
});

/** Completes an activity of a bare workflow by its id, as the gateway does for agents: it may come early. */
export const reportBare = (client: Client, workflowId: string, activityId: string): Promise<void> =>
  bareActivities(client).report(workflowId, activityId);

/** Starts everything; the end of it leaves nothing. */
export const startControlPlane = async (report: (line: string) => void): Promise<ControlPlane> => {
  const cleanups = createCleanups();
  try {
    return await raise(cleanups, report);
  } catch (err) {
    await cleanups.run().catch(() => undefined);
    throw err;
  }
};

const raise = async (cleanups: ReturnType<typeof createCleanups>, report: (line: string) => void): Promise<ControlPlane> => {
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  const folder = await mkdtemp(path.join(tmpdir(), 'c2d-bench-'));
  cleanups.add(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  report('starting PostgreSQL and Temporal');
  const logs = path.join(folder, 'logs');
  const postgres = cleanups.own(
    await startPostgres({ dataFolder: path.join(folder, 'postgres'), logFile: path.join(logs, 'postgres.log') }),
  );
  const cli = await ensureTemporalCli(report);
  const server = cleanups.own(
    await startTemporal({ cli: cli.path, dbFile: path.join(folder, 'temporal.db'), logFile: path.join(logs, 'temporal.log') }),
  );
  const keyring = createKeyring(keyringText.parse(`bench:${randomBytes(32).toString('base64')}`));
  const database = cleanups.own(connectLedger(postgres.url, () => undefined, { maxConnections: 20 }));
  await migrateLedger(database);
  const ledger = createLedger(database, keyring);
  const config = z.object(temporalKeys).parse({ C2D_TEMPORAL_ADDRESS: server.address });
  const temporal = cleanups.own(connectTemporal(config, keyring));
  const { client } = temporal;
  const world = new FakeWorld(client, 'durable-c2d');
  const native = cleanups.own(await NativeConnection.connect({ address: server.address }));
  const settings = { connection: native, namespace: server.namespace, dataConverter: createDataConverter(keyring) };
  report('bundling the workflows');
  const workers = [
    await createWorker({
      ...settings,
      workflowBundle: await bundleWorkflows(failureConverterPath),
      activities: createActivities(joinActivities(world, ledger)),
      maxActivities: 200,
      maxWorkflowTasks: 40,
    }),
    await Worker.create({
      ...settings,
      taskQueue: bareQueue,
      workflowBundle: await bundleWorkflowCode({
        workflowsPath: fileURLToPath(new URL('bareWorkflows.ts', import.meta.url)),
        failureConverterPath,
        logger: new DefaultLogger('ERROR'),
      }),
      activities: bareActivities(client),
      workflowTaskPollerBehavior: { type: 'autoscaling' },
      activityTaskPollerBehavior: { type: 'autoscaling' },
    }),
  ];
  for (const worker of workers) {
    const running = worker.run();
    cleanups.add(async () => {
      worker.shutdown();
      await running;
    });
  }
  return { client, ledger, world, close: () => cleanups.run() };
};
