/** JSON logs: one line an event, with the job id where there is one, and without secrets. */

import { pino, type Logger as PinoLogger } from 'pino';

/** What the rest of the code may do with a log. */
export type Logger = Pick<PinoLogger, 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'child' | 'level'>;

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

const urlPattern = /\b(?:https?|ipfs|ar|ftp|s3):\/\/[^\s"'<>]+/gi;
const bearerPattern = /\bBearer\s+[A-Za-z0-9._~+/=-]+/gi;

/**
 * Text without what must not reach a log, an error or an answer: URLs (they may be signed) and bearer tokens.
 * @param text anything a person may read
 */
export const withoutSecrets = (text: string): string =>
  text.replaceAll(urlPattern, '<url removed>').replaceAll(bearerPattern, 'Bearer <removed>');

interface LoggedError {
  readonly type: string;
  readonly message: string;
  readonly stack?: string | undefined;
}

const serializeError = (err: unknown): unknown =>
  err instanceof Error
    ? ({
        type: err.name,
        message: withoutSecrets(err.message),
        stack: err.stack === undefined ? undefined : withoutSecrets(err.stack),
      } satisfies LoggedError)
    : err;

/**
 * A logger for one process.
 * @param name the process, e.g. `gateway`
 * @param level one of `logLevels`
 */
export const createLogger = (name: string, level: (typeof logLevels)[number]): Logger =>
  pino({
    name,
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: serializeError, error: serializeError },
    redact: {
      paths: [
        'token',
        'signature',
        'authorization',
        'password',
        'privateKey',
        '*.token',
        '*.signature',
        '*.authorization',
        '*.password',
        '*.privateKey',
        'headers.authorization',
      ],
      censor: '<removed>',
    },
  });
