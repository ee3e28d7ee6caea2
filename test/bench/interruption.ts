/** Ctrl-C ends a benchmark, not its cleaning up. */

/**
 * Performs something that Ctrl-C and SIGTERM interrupt; the caller's `finally` runs all the same.
 * @throws what `perform` throws; Error when it was interrupted
 */
export const unlessInterrupted = async <Result>(perform: () => Promise<Result>): Promise<Result> => {
  const interrupted = Promise.withResolvers<never>();
  interrupted.promise.catch(() => undefined);
  const onSignal = (): void => interrupted.reject(new Error('the benchmark was interrupted'));
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, onSignal);
  try {
    return await Promise.race([perform(), interrupted.promise]);
  } finally {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.removeListener(name, onSignal);
  }
};
