/** What an installation needs around the cluster, and a shell that runs the commands of a document. */

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { inspectCluster, type Cluster } from '../../infra/toolchain/cluster/cluster.ts';
import { ensureHelm } from '../../infra/toolchain/cluster/helm.ts';
import { startChain, type LocalChain } from '../../infra/toolchain/chain/startChain.ts';
import { startPostgres } from '../../infra/toolchain/postgres.ts';
import { startTemporal } from '../../infra/toolchain/temporalServer.ts';

const project = path.resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

/** A cluster's surroundings, and the variables of docs/install.md that lead there. */
export interface Surroundings {
  readonly variables: Readonly<Record<string, string>>;
  readonly chain: LocalChain;
  /** Runs commands as the document's reader would, in the root of the repository. @returns what they wrote */
  shell(commands: string): Promise<string>;
  close(): Promise<void>;
}

/** One port of `host` that leads to a server of 127.0.0.1. */
const forward = async (host: string, target: number): Promise<{ readonly port: number; close(): Promise<void> }> => {
  const server = createServer((socket) => {
    const onward = connect(target, '127.0.0.1');
    for (const each of [socket, onward]) each.on('error', () => (socket.destroy(), onward.destroy()));
    socket.pipe(onward).pipe(socket);
  });
  const open = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
};

/** Starts a ledger, a Temporal server and a chain outside the cluster, on the address that its pods reach. */
export const surround = async (cluster: Cluster, namespace: string): Promise<Surroundings> => {
  const ends: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    const problems: unknown[] = [];
    for (const end of ends.toReversed()) await end().catch((err: unknown) => problems.push(err));
    if (problems.length > 0) throw new AggregateError(problems, 'the surroundings did not close');
  };
  try {
    const folder = await mkdtemp(path.join(tmpdir(), 'durable-c2d-install-'));
    ends.push(() => rm(folder, { recursive: true, force: true }));
    // the database server runs as another user
    await chmod(folder, 0o755);
    const database = await startPostgres({ dataFolder: path.join(folder, 'postgres'), logFile: path.join(folder, 'postgres.log') });
    ends.push(() => database.close());
    const temporal = await startTemporal({ cli: process.env.C2D_TEST_TEMPORAL_CLI!, logFile: path.join(folder, 'temporal.log') });
    ends.push(() => temporal.close());
    const chain = await startChain();
    ends.push(() => chain.close());
    const reach = async (url: URL): Promise<string> => {
      const forwarder = await forward(cluster.nodeAddress, Number(url.port));
      ends.push(() => forwarder.close());
      url.host = `${cluster.nodeAddress}:${forwarder.port}`;
      return url.href;
    };
    const variables = {
      NAMESPACE: namespace,
      FOLDER: path.join(folder, 'install'),
      DATABASE_URL: await reach(new URL(database.url)),
      TEMPORAL_ADDRESS: new URL(await reach(new URL(`http://${temporal.address}`))).host,
      CHAIN_ID: String(chain.chainId),
      RPC_URL: await reach(new URL(chain.rpcUrl)),
      FACTORY_ADDRESS: chain.contracts.erc721Factory,
      PROVIDER_PRIVATE_KEY: chain.accounts.provider.privateKey,
      STORAGE_CLASS: 'local',
    };
    return { variables, chain, shell: await openShell(cluster, variables), close };
  } catch (err) {
    await close();
    throw err;
  }
};

const openShell = async (cluster: Cluster, variables: Readonly<Record<string, string>>): Promise<Surroundings['shell']> => {
  const facts = (await inspectCluster(cluster.name))?.facts;
  if (facts === undefined) throw new Error(`the cluster ${cluster.name} is gone`);
  const helm = await ensureHelm();
  const env = {
    ...process.env,
    ...variables,
    PATH: `${facts.programs}:${path.dirname(helm.path)}:${process.env.PATH}`,
    KUBECONFIG: facts.kubeconfig,
    CONTAINERD_ADDRESS: facts.containerdSocket,
    // jest's own are for jest
    NODE_OPTIONS: '',
    BASH_ENV: '',
  };
  return async (commands) => {
    try {
      const { stdout } = await run('bash', ['--norc', '-euo', 'pipefail', '-c', commands], {
        cwd: project,
        env,
        maxBuffer: 64 * 1024 ** 2,
      });
      return stdout;
    } catch (err) {
      const { stdout, stderr } = err as { stdout: string; stderr: string };
      throw new Error(`${commands}\n${stdout}\n${stderr}`, { cause: err });
    }
  };
};
