/** A PostgreSQL of our own: a real server, started as a child process, data in a folder. */

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { findPostgres, chooseAccount, shareBinaries, type Account } from './postgresBinaries.ts';
import { runProgram } from './run.ts';
import { findFreePorts, startProgram, waitUntilReady, type Program } from './program.ts';
import { startRestartable, type Restartable } from './restartable.ts';

const readyPatienceMs = 60_000;
const sessionsPatienceMs = 15_000;
const database = 'c2d';

/** Where the server keeps its data and listens. */
export interface PostgresOptions {
  /** created if absent; kept on `close`, so the next start finds the data */
  readonly dataFolder: string;
  readonly logFile: string;
  /** port of 127.0.0.1; a free one by default */
  readonly port?: number;
  /** false: what was committed survives the server's end, not the machine's; for data of tests. Default: true */
  readonly survivesPowerCuts?: boolean;
}

/** A running server. */
export interface Postgres extends Restartable {
  /** connection string of the database, with its password */
  readonly url: string;
}

interface Cluster {
  readonly binaries: string;
  readonly folder: string;
  readonly password: string;
  readonly account: Account | undefined;
  /** false: data need not survive a power cut */
  readonly isDurable: boolean;
}

/**
 * Starts a server, and resolves when it takes statements. Commits are durable (fsync is on) unless told otherwise. As root it runs as
 * `postgres` or `nobody`: every folder above `dataFolder` must then let others pass.
 * @throws MissingPart if the programs are not there; Error with the end of the log if it does not get ready
 */
export const startPostgres = async (options: PostgresOptions): Promise<Postgres> => {
  const { dataFolder, logFile } = options;
  const cluster = await prepareCluster(path.resolve(dataFolder), options.survivesPowerCuts ?? true);
  const [freePort = 0] = options.port === undefined ? await findFreePorts(1) : [];
  const port = options.port ?? freePort;
  const url = (name: string): string => `postgres://postgres:${cluster.password}@127.0.0.1:${port}/${name}`;
  const startOnce = async (): Promise<Program> => {
    const program = await startServer(cluster, { port, logFile });
    try {
      await waitUntilReady(program, () => ensureDatabase(url('postgres')), { patienceMs: readyPatienceMs, logFile });
    } catch (err) {
      await program.close();
      throw err;
    }
    return program;
  };
  const start = (): Promise<Program> => retryWhileHeld(startOnce);
  return Object.assign(await startRestartable(start), { url: url(database) });
};

/** After a SIGKILL the server's sessions need a moment to notice, and hold its shared memory until then. */
const retryWhileHeld = async (start: () => Promise<Program>): Promise<Program> => {
  const deadline = performance.now() + sessionsPatienceMs;
  for (;;) {
    try {
      return await start();
    } catch (err) {
      const isHeld = err instanceof Error && err.message.includes('pre-existing shared memory block');
      if (!isHeld || performance.now() > deadline) throw err;
    }
    await delay(50);
  }
};

const prepareCluster = async (folder: string, isDurable: boolean): Promise<Cluster> => {
  const found = await findPostgres();
  const account = await chooseAccount();
  const binaries = account === undefined ? found.path : await shareBinaries(found);
  const passwordFile = `${folder}.password`;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  if (account !== undefined) await chown(folder, account.uid, account.gid);
  if (!existsSync(path.join(folder, 'PG_VERSION'))) await createCluster({ binaries, folder, account, passwordFile, isDurable });
  return { binaries, folder, account, isDurable, password: await readFile(passwordFile, 'utf8') };
};

type NewCluster = Omit<Cluster, 'password'> & { readonly passwordFile: string };

const createCluster = async ({ binaries, folder, account, passwordFile, isDurable }: NewCluster): Promise<void> => {
  await writeFile(passwordFile, randomBytes(18).toString('base64url'), { mode: 0o600 });
  if (account !== undefined) await chown(passwordFile, account.uid, account.gid);
  const args = ['-D', folder, '-U', 'postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--encoding=UTF8', '--locale=C'];
  if (!isDurable) args.push('--no-sync');
  try {
    await runProgram(path.join(binaries, 'bin', 'initdb'), args, { cwd: binaries, timeoutMs: readyPatienceMs, ...account });
  } catch (err) {
    await rm(passwordFile, { force: true });
    throw err;
  }
};

const startServer = ({ binaries, folder, account, isDurable }: Cluster, place: { port: number; logFile: string }): Promise<Program> => {
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(place.port),
    // TCP only: a socket file would collide with another server's
    unix_socket_directories: '',
    max_connections: '200',
    fsync: isDurable ? 'on' : 'off',
    timezone: 'UTC',
  };
  return startProgram({
    name: 'postgres',
    file: path.join(binaries, 'bin', 'postgres'),
    args: ['-D', folder, ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])],
    logFile: place.logFile,
    cwd: binaries,
    // fast shutdown: ends sessions, keeps what was committed, leaves nothing to recover
    stopSignal: 'SIGINT',
    ...account,
  });
};

const ensureDatabase = async (url: string): Promise<void> => {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 1_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [database]);
    if (rowCount === 0) await client.query(`create database ${database}`);
  } finally {
    await client.end();
  }
};
