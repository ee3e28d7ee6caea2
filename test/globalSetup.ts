/** Starts what many test files share: a PostgreSQL server and a Temporal server. Ended by globalTeardown. */

import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensureTemporalCli } from '../infra/toolchain/temporal.ts';
import { startPostgres, type Postgres } from '../infra/toolchain/postgres.ts';
import { startTemporal, type TemporalServer } from '../infra/toolchain/temporalServer.ts';

/** What globalTeardown ends. */
export interface SharedServers {
  readonly folder: string;
  readonly postgres: Postgres;
  readonly temporal: TemporalServer;
}

declare global {
  var c2dSharedServers: SharedServers | undefined;
}

const setUp = async (): Promise<void> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'durable-c2d-test-'));
  await chmod(folder, 0o755); // the database server runs as another user
  const { path: cli } = await ensureTemporalCli((line) => process.stderr.write(`${line}\n`));
  const [postgres, temporal] = await Promise.all([
    startPostgres({ dataFolder: path.join(folder, 'postgres'), logFile: path.join(folder, 'postgres.log'), survivesPowerCuts: false }),
    startTemporal({ cli, logFile: path.join(folder, 'temporal.log') }),
  ]);
  process.env.C2D_TEST_DATABASE_URL = postgres.url;
  process.env.C2D_TEST_TEMPORAL_ADDRESS = temporal.address;
  process.env.C2D_TEST_TEMPORAL_CLI = cli;
  // end-to-end tests start a whole stack when the first of them needs it: see support/sharedStack.ts
  process.env.C2D_TEST_SHARED_STACK = path.join(folder, 'stack');
  process.env.C2D_TEST_JEST_PID = String(process.pid);
  globalThis.c2dSharedServers = { folder, postgres, temporal };
};

export default setUp;
