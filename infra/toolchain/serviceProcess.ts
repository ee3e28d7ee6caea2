/** One process of the service as a child process. */

import path from 'node:path';
import { startProgram, waitUntilReady, type Program } from './program.ts';
import { startRestartable, type Restartable } from './restartable.ts';
import type { ServiceName } from './serviceEnvironment.ts';

const project = path.resolve(import.meta.dirname, '../..');
const readyPatienceMs = 60_000;

const entryPoints: Readonly<Record<ServiceName, string>> = {
  api: 'api/main.ts',
  orchestrator: 'workers/orchestrator/main.ts',
  gateway: 'workers/gateway/main.ts',
};

/**
 * Options of Node, as the Helm chart has them too. Without them a gateway that takes thousands of files keeps hundreds of
 * megabytes of what it no longer needs (ADR 11).
 */
export const nodeOptions: Readonly<Record<ServiceName, readonly string[]>> = {
  api: [],
  orchestrator: [],
  gateway: ['--max-semi-space-size=1', '--max-old-space-size=384'],
};

/** What of our own environment a process gets: what programs need in general, no setting of the service. */
const inherited = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'TZ', 'NODE_COMPILE_CACHE'] as const;

/** How to start one. */
export interface ServiceProcessOptions {
  readonly name: ServiceName;
  readonly env: Readonly<Record<string, string>>;
  /** answers 200 at `/health/ready` when it serves */
  readonly healthUrl: string;
  readonly logFile: string;
}

/** Starts the process; resolves when it is ready. @throws Error with the end of its log if it does not get ready */
export const startService = ({ name, env, healthUrl, logFile }: ServiceProcessOptions): Promise<Restartable> =>
  startRestartable(async (): Promise<Program> => {
    const program = await startProgram({
      name,
      file: process.execPath,
      args: [...nodeOptions[name], entryPoints[name]],
      cwd: project,
      env: { ...Object.fromEntries(inherited.map((key) => [key, process.env[key]])), ...env },
      logFile,
      stopPatienceMs: 60_000,
    });
    try {
      await waitUntilReady(program, () => checkReady(healthUrl), { patienceMs: readyPatienceMs, logFile });
    } catch (err) {
      await program.close();
      throw err;
    }
    return program;
  });

const checkReady = async (healthUrl: string): Promise<void> => {
  const response = await fetch(`${healthUrl}/health/ready`, { signal: AbortSignal.timeout(5_000) });
  if (!response.ok) throw new Error(`it answers ${response.status}: ${await response.text()}`);
  await response.body?.cancel();
};
