/** Kubo, an IPFS node: tests store results in it and read datasets from it. */

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { downloadFromArchive, ensureGoProgram, findGoProgram, releaseArchitecture, type GoProgramRecipe } from './cluster/goPrograms.ts';
import { MissingPart, messageOf, type FoundPart, type Report } from './parts.ts';
import { findFreePorts, startProgram, waitUntilReady } from './program.ts';
import { startRestartable, type Restartable } from './restartable.ts';
import { runProgram } from './run.ts';

const version = '0.40.1';
const readyPatienceMs = 60_000;

const recipe: GoProgramRecipe = {
  entry: { name: 'ipfs', version },
  part: 'ipfs',
  versionArguments: ['--version'],
  download: (folder) => {
    const archive = `kubo_v${version}_${process.platform}-${releaseArchitecture()}.tar.gz`;
    return downloadFromArchive(`https://dist.ipfs.tech/kubo/v${version}/${archive}`, folder, 'kubo/ipfs');
  },
  build: async (go, folder, options) => {
    // names what it compiles: nothing else tells that it goes on
    const args = ['build', '-v', '-trimpath', '-ldflags', '-s -w', '-o', `${folder}/`, 'github.com/ipfs/kubo/cmd/ipfs'];
    // a module of our own, because the excludes of Kubo's forbid `go install`
    await runProgram(go, args, { ...options, cwd: path.join(import.meta.dirname, 'kubo') });
  },
  remedy: 'install Kubo on the PATH, or set KUBO_PATH to its program ipfs',
};

/** The program that is here already: `KUBO_PATH`, the PATH, else the cache folder. */
export const findKubo = async (): Promise<FoundPart | undefined> => {
  const named = process.env.KUBO_PATH;
  if (named === undefined || named === '') return findGoProgram(recipe);
  const text = await runProgram(named, recipe.versionArguments, { timeoutMs: 60_000 }).catch((err: unknown) => {
    throw new MissingPart('ipfs', `KUBO_PATH does not run: ${messageOf(err)}`, "name Kubo's program ipfs, or unset KUBO_PATH");
  });
  return { name: 'ipfs', version: /\d+(\.\d+)+/.exec(text)?.[0] ?? '', path: named, origin: 'environment' };
};

/**
 * The program, fetched if need be.
 * @throws MissingPart if there is no way to get it
 */
export const ensureKubo = async (report: Report = () => undefined): Promise<FoundPart> =>
  (await findKubo()) ?? ensureGoProgram(recipe, report);

/** A running node that knows no other and is known to none. */
export interface IpfsServer extends Restartable {
  /** base URL of the RPC API, which may do everything */
  readonly apiUrl: string;
  /** base URL under which content is read, without a slash at the end */
  readonly gatewayUrl: string;
}

/** How to start the node. */
export interface IpfsServerOptions {
  /** path of Kubo's program */
  readonly file: string;
  /** where blocks and the log are; whoever starts the node removes it */
  readonly folder: string;
}

/** Starts a node without a network on free ports of 127.0.0.1. A restart keeps ports and content. */
export const startIpfsServer = async ({ file, folder }: IpfsServerOptions): Promise<IpfsServer> => {
  const [apiPort = 0, gatewayPort = 0] = await findFreePorts(2);
  const apiUrl = `http://127.0.0.1:${apiPort}`;
  const env = { PATH: process.env.PATH ?? '', HOME: folder, IPFS_PATH: path.join(folder, 'repo'), IPFS_TELEMETRY: 'off' };
  await mkdir(folder, { recursive: true });
  await prepareRepository(file, env, { apiPort, gatewayPort });
  const logFile = path.join(folder, 'ipfs.log');
  const start = async () => {
    const program = await startProgram({ name: 'ipfs', file, args: ['daemon', '--offline'], env, logFile });
    await waitUntilReady(program, () => askVersion(apiUrl), { patienceMs: readyPatienceMs, logFile }).catch(async (err: unknown) => {
      await program.close();
      throw err;
    });
    return program;
  };
  const server = await startRestartable(start);
  return Object.assign(server, { apiUrl, gatewayUrl: `http://127.0.0.1:${gatewayPort}` });
};

/** The profile `test` leaves out the public network: its first contacts, the look-out for neighbours, and all addresses but loopback. */
const prepareRepository = async (
  file: string,
  env: Readonly<Record<string, string>>,
  { apiPort, gatewayPort }: { readonly apiPort: number; readonly gatewayPort: number },
): Promise<void> => {
  const run = (...args: string[]) => runProgram(file, args, { env, timeoutMs: readyPatienceMs });
  await run('init', '--profile', 'test');
  await run('config', 'Addresses.API', `/ip4/127.0.0.1/tcp/${apiPort}`);
  await run('config', 'Addresses.Gateway', `/ip4/127.0.0.1/tcp/${gatewayPort}`);
};

const askVersion = async (apiUrl: string): Promise<void> => {
  const response = await fetch(`${apiUrl}/api/v0/version`, { method: 'POST', signal: AbortSignal.timeout(2_000) });
  if (!response.ok) throw new Error(`the node answers ${response.status}`);
};
