/** The servers below the service: database, workflows, chain, container engine. */

import path from 'node:path';
import { ensureAgentImage } from './agentImage.ts';
import { ensureBusybox } from './busybox.ts';
import { startChain, type LocalChain } from './chain/startChain.ts';
import { settleAll, type Cleanups } from './cleanups.ts';
import { startContainerEngine, type ContainerEngine } from './containerEngine.ts';
import { removeAbandoned, removeObjects } from './engineCleanup.ts';
import { describePart, type Report } from './parts.ts';
import { startPostgres } from './postgres.ts';
import type { Restartable } from './restartable.ts';
import { runProgram } from './run.ts';
import { ensureTemporalCli } from './temporal.ts';
import { startTemporal, type TemporalServer } from './temporalServer.ts';

const bundlePatienceMs = 120_000;

/** How to start them. */
export interface StackPartsOptions {
  readonly folder: string;
  /** label value of the stack's containers and volumes */
  readonly instance: string;
  /** true if the folder's data is for the next start as well */
  readonly keep: boolean;
  readonly report: Report;
  readonly cleanups: Cleanups;
}

/** The running servers. */
export interface StackParts {
  readonly database: { readonly url: string; /** absent: not ours */ readonly server: Restartable | undefined };
  readonly temporal: TemporalServer;
  readonly chain: LocalChain;
  readonly engine: ContainerEngine & { readonly agentImage: string };
  /** the workflows, bundled */
  readonly workflowBundle: string;
}

/** Starts them all at once; the ends of what has been started are in `cleanups`, also after a failure. */
export const startStackParts = (options: StackPartsOptions): Promise<StackParts> =>
  settleAll({
    database: startDatabase(options),
    temporal: startWorkflows(options),
    chain: startLocalChain(options),
    engine: startEngine(options),
    workflowBundle: bundle(options),
  });

const startDatabase = async ({ folder, cleanups }: StackPartsOptions): Promise<StackParts['database']> => {
  const given = process.env.DATABASE_URL;
  if (given !== undefined && given !== '') return { url: given, server: undefined };
  const logFile = path.join(folder, 'logs', 'postgres.log');
  const server = cleanups.own(await startPostgres({ dataFolder: path.join(folder, 'postgres'), logFile }));
  return { url: server.url, server };
};

const startWorkflows = async ({ folder, report, cleanups }: StackPartsOptions): Promise<TemporalServer> => {
  const cli = await ensureTemporalCli(report);
  report(describePart(cli));
  const options = { cli: cli.path, dbFile: path.join(folder, 'temporal.db'), logFile: path.join(folder, 'logs', 'temporal.log') };
  return cleanups.own(await startTemporal(options));
};

/** Made once, in a process of its own: it is a second of pure computing that each start of an orchestrator would repeat. */
const bundle = async ({ folder }: StackPartsOptions): Promise<string> => {
  const target = path.join(folder, 'workflows.js');
  const program = path.join(import.meta.dirname, 'bundleWorkflows.ts');
  await runProgram(process.execPath, [program, target], { timeoutMs: bundlePatienceMs, env: { NODE_OPTIONS: '' } });
  return target;
};

const startLocalChain = async ({ folder, keep, cleanups }: StackPartsOptions): Promise<LocalChain> =>
  cleanups.own(await startChain(keep ? { dataFolder: path.join(folder, 'chain') } : {}));

const startEngine = async ({ folder, instance, report, cleanups }: StackPartsOptions): Promise<StackParts['engine']> => {
  const busybox = await ensureBusybox(report);
  const engine = cleanups.own(await startContainerEngine({ folder: path.join(folder, 'engine'), report }));
  report(`${engine.kind} ${engine.version}`);
  if (engine.kind === 'podman' && engine.seccompProfile === undefined) {
    report('podman has no seccomp.json here: algorithms run under its built-in filter, which lets them make user namespaces');
  }
  cleanups.add(() => removeObjects(engine.docker, instance));
  for (const abandoned of await removeAbandoned(engine.docker)) report(`removed what ${abandoned} left behind`);
  const agentImage = await ensureAgentImage({ docker: engine.docker, busyboxPath: busybox.path, report });
  return { ...engine, agentImage };
};
