/** The control plane of one orchestrator: Temporal, ledger, queue and workflows are real; chain and pods are stand-ins. */

import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { z } from 'zod';
import { createActivities, type Activities, type ActivityDeps } from '../../activities/index.ts';
import type { Keyring } from '../../infra/crypto/keyring.ts';
import { connectLedger, migrateLedger } from '../../infra/ledger/connect.ts';
import { createLedger, type Ledger } from '../../infra/ledger/ledger.ts';
import { connectTemporal, createDataConverter, failureConverterPath, temporalKeys } from '../../infra/temporal/connect.ts';
import { createCleanups, type Cleanups } from '../../infra/toolchain/cleanups.ts';
import { startPostgres } from '../../infra/toolchain/postgres.ts';
import { ensureTemporalCli } from '../../infra/toolchain/temporal.ts';
import { startTemporal, type TemporalServer } from '../../infra/toolchain/temporalServer.ts';
import { orchestratorQueue } from '../../workflows/contract/ids.ts';
import { bundleWorkflows, createWorker } from '../../workers/orchestrator/worker.ts';
import { aKeyring } from '../support/databases.ts';
import { FakeWorld } from '../support/fakeWorld.ts';
import { createActivityTimes, type ActivityTimes } from './activityTimes.ts';
import { runWorker, silenceWorkers, startBareWorker } from './bareWorker.ts';
import { promptAgent } from './promptAgent.ts';

/** What a measurement works with. */
export interface ControlPlane {
  readonly client: Client;
  readonly ledger: Ledger;
  readonly world: FakeWorld;
  /** of the orchestrator's activities */
  readonly times: ActivityTimes;
  /** processes of the servers, by name */
  readonly pids: Readonly<Record<'temporal' | 'postgres', number>>;
  close(): Promise<void>;
}

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

const raise = async (cleanups: Cleanups, report: (line: string) => void): Promise<ControlPlane> => {
  silenceWorkers();
  report('starting PostgreSQL and Temporal');
  const { postgres, server } = await startServers(cleanups, report);
  const keyring = aKeyring();
  const database = cleanups.own(connectLedger(postgres.url, () => undefined, { maxConnections: 20 }));
  await migrateLedger(database);
  const ledger = createLedger(database, keyring);
  const config = z.object(temporalKeys).parse({ C2D_TEMPORAL_ADDRESS: server.address });
  const { client } = cleanups.own(connectTemporal(config, keyring));
  const world = new FakeWorld(client, orchestratorQueue);
  world.script = promptAgent({ client, ledger });
  report('starting the workers');
  const times = createActivityTimes();
  await startWorkers({ server, keyring, activities: times.watch(createActivities(joinActivities(world, ledger))) }, cleanups);
  return { client, ledger, world, times, pids: { temporal: server.pid, postgres: postgres.pid }, close: () => cleanups.run() };
};

const startServers = async (cleanups: Cleanups, report: (line: string) => void) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'c2d-bench-'));
  cleanups.add(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  await chmod(folder, 0o711); // the database server runs as another user
  const logs = path.join(folder, 'logs');
  const postgres = cleanups.own(
    await startPostgres({ dataFolder: path.join(folder, 'postgres'), logFile: path.join(logs, 'postgres.log') }),
  );
  const cli = await ensureTemporalCli(report);
  const server = cleanups.own(
    await startTemporal({ cli: cli.path, dbFile: path.join(folder, 'temporal.db'), logFile: path.join(logs, 'temporal.log') }),
  );
  return { postgres, server };
};

interface WorkersDeps {
  readonly server: TemporalServer;
  readonly keyring: Keyring;
  readonly activities: Activities;
}

const startWorkers = async ({ server, keyring, activities }: WorkersDeps, cleanups: Cleanups): Promise<void> => {
  const { address, namespace } = server;
  const connection = cleanups.own(await NativeConnection.connect({ address }));
  const worker = await createWorker({
    ...{ connection, namespace, dataConverter: createDataConverter(keyring) },
    workflowBundle: await bundleWorkflows(failureConverterPath),
    activities,
    maxActivities: 200,
    maxWorkflowTasks: 40,
  });
  runWorker(worker, cleanups);
  await startBareWorker({ connection, namespace, keyring }, cleanups);
};
