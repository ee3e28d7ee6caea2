/** Checks that run at once, but fail in a fixed order. */

/**
 * Awaits all, so that nothing goes on in the background; then throws the failure of the first one that failed, in the
 * order given, whichever failed first in time.
 */
export const settleInOrder = async <Value>(promises: readonly Promise<Value>[]): Promise<Value[]> => {
  const settled = await Promise.allSettled(promises);
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
};
