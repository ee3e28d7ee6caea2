/** Start and end of a process: configuration errors in one line, graceful shutdown on SIGINT and SIGTERM. */

import { ConfigurationError } from './config.ts';
import type { Logger } from './logger.ts';

/** A part of a process that has been started; closed in reverse order of starting. */
export interface Closeable {
  readonly name: string;
  close(): Promise<void>;
}

/** A started process. */
export interface RunningProcess {
  readonly logger: Logger;
  /** what was started, in order */
  readonly parts: readonly Closeable[];
  /** resolves or rejects when the process must end by itself, e.g. a worker that failed */
  readonly failed?: Promise<void>;
}

const shutdownPatienceMs = 60_000;

/**
 * Runs one process until it is told to end; then closes its parts in reverse order. A second signal, or a part
 * that does not close within a minute, ends it at once.
 * @param start builds the process; a ConfigurationError ends it with status 78 and no stack
 */
export const runProcess = async (start: () => Promise<RunningProcess>): Promise<void> => {
  let running: RunningProcess;
  try {
    running = await start();
  } catch (err) {
    process.stderr.write(
      `${err instanceof ConfigurationError ? err.message : err instanceof Error ? (err.stack ?? err.message) : String(err)}\n`,
    );
    process.exit(err instanceof ConfigurationError ? 78 : 1);
  }
  const { logger, parts } = running;
  const failure = running.failed?.then(
    () => undefined,
    (err: unknown) => err ?? new Error('the process failed'),
  );
  const reason = await Promise.race([nextSignal(), ...(failure === undefined ? [] : [failure])]);
  const failedByItself = typeof reason !== 'string' && reason !== undefined;
  if (failedByItself) logger.fatal({ err: reason }, 'ending after a failure');
  else logger.info({ signal: reason }, 'ending');
  const late = setTimeout(() => {
    logger.fatal('shutdown took too long');
    process.exit(1);
  }, shutdownPatienceMs);
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
  for (const part of parts.toReversed()) {
    await part.close().catch((err: unknown) => logger.error({ err, part: part.name }, 'a part did not close cleanly'));
  }
  clearTimeout(late);
  process.exit(failedByItself ? 1 : 0);
};

const nextSignal = (): Promise<string> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal));
  });
