/** A Temporal development server of our own, in memory or in a file. */

import { Connection } from '@temporalio/client';
import { findFreePorts, startProgram, waitUntilReady, type Program } from './program.ts';
import { startRestartable, type Restartable } from './restartable.ts';

/** Search attributes that jobs carry; all of type Keyword. */
export const searchAttributes = ['C2dPhase', 'C2dFault', 'C2dEnvironment'] as const;

const namespace = 'default';
const readyPatienceMs = 60_000;

/** How to start the server. */
export interface TemporalServerOptions {
  /** path of the Temporal CLI */
  readonly cli: string;
  readonly logFile: string;
  /** SQLite file; jobs survive a kill of the server. Without it everything is in memory. */
  readonly dbFile?: string;
  /** ports of 127.0.0.1; free ones are taken by default */
  readonly port?: number;
  readonly uiPort?: number;
}

/** A running server. */
export interface TemporalServer extends Restartable {
  /** `host:port` of the gRPC frontend */
  readonly address: string;
  readonly namespace: string;
  readonly uiUrl: string;
}

/**
 * Starts the server; resolves when the namespace and its search attributes answer.
 * @throws Error with the end of its log if it does not get ready
 */
export const startTemporal = async (options: TemporalServerOptions): Promise<TemporalServer> => {
  const [freePort = 0, freeUiPort = 0] = await findFreePorts(2);
  const port = options.port ?? freePort;
  const uiPort = options.uiPort ?? freeUiPort;
  const address = `127.0.0.1:${port}`;
  const start = async (): Promise<Program> => {
    const { cli, logFile } = options;
    const program = await startProgram({ name: 'temporal', file: cli, args: serverArguments({ ...options, port, uiPort }), logFile });
    try {
      await waitUntilReady(program, () => checkServer(address), { patienceMs: readyPatienceMs, logFile });
    } catch (err) {
      await program.close();
      throw err;
    }
    return program;
  };
  const server = await startRestartable(start);
  return Object.assign(server, { address, namespace, uiUrl: `http://127.0.0.1:${uiPort}` });
};

type ServerPlace = Pick<TemporalServerOptions, 'dbFile'> & { readonly port: number; readonly uiPort: number };

/**
 * Arguments of `temporal`. The first two dynamic-config values take the wait between workflow and worker from 100 ms to
 * 12 ms per activity; the third hands an activity at once to the worker whose workflow asks for it, where that worker
 * has room. The pragmas make a file as quick as it can be while surviving SIGKILL.
 */
export const serverArguments = ({ port, uiPort, dbFile }: ServerPlace): readonly string[] => [
  ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port), '--ui-port', String(uiPort)],
  ...['--log-format', 'json', '--log-level', 'warn'],
  ...['--dynamic-config-value', 'history.transferProcessorMaxPollRPS=2000'],
  ...['--dynamic-config-value', 'history.timerProcessorMaxPollRPS=2000'],
  ...['--dynamic-config-value', 'system.enableActivityEagerExecution=true'],
  ...searchAttributes.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
  ...(dbFile === undefined
    ? []
    : ['--db-filename', dbFile, '--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL']),
];

const checkServer = async (address: string): Promise<void> => {
  const connection = await Connection.connect({ address, connectTimeout: 1_000 });
  try {
    await connection.withDeadline(Date.now() + 2_000, async () => {
      await connection.workflowService.describeNamespace({ namespace });
      const known = await connection.operatorService.listSearchAttributes({ namespace });
      const missing = searchAttributes.filter((name) => !(name in (known.customAttributes ?? {})));
      if (missing.length > 0) throw new Error(`search attributes are missing: ${missing.join(', ')}`);
    });
  } finally {
    await connection.close();
  }
};
