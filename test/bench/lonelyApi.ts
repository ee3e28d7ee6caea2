/** The real API process on a real database, with nothing else of the service: whoever asked Temporal would be seen. */

import { once } from 'node:events';
import { chmod, mkdtemp, mkdir, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createKeyring, keyringText } from '../../infra/crypto/keyring.ts';
import { connectLedger, migrateLedger } from '../../infra/ledger/connect.ts';
import { startChain } from '../../infra/toolchain/chain/startChain.ts';
import type { Cleanups } from '../../infra/toolchain/cleanups.ts';
import { startPostgres } from '../../infra/toolchain/postgres.ts';
import { findFreePorts, startProgram, waitUntilReady, type Program } from '../../infra/toolchain/program.ts';
import { generateServiceKeys, localEnvironment, serviceEnvironment, type ServicePlaces } from '../../infra/toolchain/serviceEnvironment.ts';
import type { StoredJobsDeps } from './storedJobs.ts';

const project = path.resolve(import.meta.dirname, '../..');
const readyPatienceMs = 60_000;

/** The running process. */
export interface LonelyApi extends StoredJobsDeps {
  readonly url: string;
  readonly pid: number;
  /** a folder that goes with it */
  readonly folder: string;
  /** how often anybody connected to the place where Temporal should be */
  temporalCalls(): number;
}

/** Accepts connections, counts them and says nothing. */
const startWitness = async (cleanups: Cleanups): Promise<{ readonly address: string; readonly count: () => number }> => {
  let count = 0;
  const server = createServer((socket) => {
    count += 1;
    socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.add(() => new Promise((resolve) => server.close(resolve)));
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, count: () => count };
};

const makeFolder = async (cleanups: Cleanups): Promise<string> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'c2d-bench-'));
  cleanups.add(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  await chmod(folder, 0o711); // the database server runs as another user
  await mkdir(path.join(folder, 'storage'));
  return folder;
};

/** Starts a Node program of ours; resolves when it answers at `path`. */
export const startServer = async (
  {
    name,
    args,
    env,
    url,
    folder,
  }: { name: string; args: readonly string[]; env: Readonly<Record<string, string>>; url: string; folder: string },
  cleanups: Cleanups,
): Promise<Program> => {
  const logFile = path.join(folder, 'logs', `${name}.log`);
  const { PATH, HOME } = process.env;
  const program = cleanups.own(
    await startProgram({ name, file: process.execPath, args, cwd: project, env: { PATH, HOME, ...env }, logFile }),
  );
  await waitUntilReady(program, () => requireOk(url), { patienceMs: readyPatienceMs, logFile });
  return program;
};

const requireOk = async (url: string): Promise<void> => {
  const response = await fetch(url);
  await response.body?.cancel();
  if (!response.ok) throw new Error(`it answers ${response.status}`);
};

/** Starts it; the ends of everything are in `cleanups`, also after a failure. */
export const startLonelyApi = async (cleanups: Cleanups, report: (line: string) => void): Promise<LonelyApi> => {
  const folder = await makeFolder(cleanups);
  report('starting PostgreSQL, a chain and the API');
  const postgres = cleanups.own(
    await startPostgres({ dataFolder: path.join(folder, 'postgres'), logFile: path.join(folder, 'logs', 'postgres.log') }),
  );
  const chain = cleanups.own(await startChain());
  const witness = await startWitness(cleanups);
  const [apiPort = 0, healthPort = 0] = await findFreePorts(2);
  const keys = generateServiceKeys();
  const places: ServicePlaces = {
    ...{ databaseUrl: postgres.url, temporalAddress: witness.address, temporalNamespace: 'default', chain, keys, apiPort },
    environments: [localEnvironment],
    storageFolder: path.join(folder, 'storage'),
    runtime: { kind: 'docker', dockerSocket: '/nowhere', gatewayFolder: '/nowhere' },
    ...{ agentImage: 'none', workflowBundle: 'none', instance: 'bench' },
    healthPorts: { api: healthPort, orchestrator: 0, gateway: 0 },
  };
  const url = `http://127.0.0.1:${apiPort}`;
  const env = serviceEnvironment(places).api;
  const { pid } = await startServer({ name: 'api', args: ['api/main.ts'], env, url: `${url}/health/live`, folder }, cleanups);
  const database = cleanups.own(connectLedger(postgres.url, () => undefined));
  await migrateLedger(database);
  return { url, pid, folder, database, keyring: createKeyring(keyringText.parse(keys.encryptionKeys)), temporalCalls: witness.count };
};
