/** What an error of the database means: away for the moment, or a mistake. Pure. */

import { JobFailure, isJobFailure } from '../../workflows/contract/failures.ts';

const networkCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/** SQLSTATE classes and codes: connection exceptions, too many connections, shutting down or starting up, a standby. */
const awayStates = /^(?:08...|53300|57P0[123]|25006)$/;

/** The driver's own words carry no code. */
const driverWords =
  /connection terminated|connection ended|timeout exceeded when trying to connect|query read timeout|not queryable|connection error and is not/i;

const retryAfterSeconds = 2;

const isAway = (err: unknown): boolean => {
  if (typeof err !== 'object' || err === null) return false;
  const { code, message, cause }: { readonly code?: unknown; readonly message?: unknown; readonly cause?: unknown } = err;
  if (typeof code === 'string' && (networkCodes.has(code) || awayStates.test(code))) return true;
  return (typeof message === 'string' && driverWords.test(message)) || isAway(cause);
};

/** @returns a failure to try again after when the database is away, else `err` itself. The message holds no address. */
export const ledgerFailure = (err: unknown): unknown =>
  isJobFailure(err) || !isAway(err)
    ? err
    : new JobFailure('ServiceUnavailable', "the service's database is away for the moment: try again in a few seconds", {
        retryAfterSeconds,
        cause: err,
      });

type Operation = (...args: never[]) => Promise<unknown>;

/** The same operations, with their errors as {@link ledgerFailure} translates them. */
export const translateLedgerErrors = <Operations extends Readonly<Record<string, Operation>>>(operations: Operations): Operations =>
  Object.fromEntries(
    Object.entries(operations).map(([name, operation]) => [
      name,
      async (...args: never[]): Promise<unknown> => {
        try {
          return await operation(...args);
        } catch (err) {
          throw ledgerFailure(err);
        }
      },
    ]),
  ) as Operations;
