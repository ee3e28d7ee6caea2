/** Removes what pods wrote: also folders in folders deeper than any path can name, which Node's own `rm` cannot. */

import { setTimeout as delay } from 'node:timers/promises';
import { runProgram } from '../run.ts';

const patienceMs = 300_000;
const tries = 5;

/** After the call there is no such folder; there need not have been one. @throws Error if something in it is in use for good */
export const removeTree = async (folder: string): Promise<void> => {
  for (let left = tries - 1; ; left -= 1) {
    try {
      await runProgram('rm', ['-rf', '--', folder], { timeoutMs: patienceMs });
      return;
    } catch (err) {
      // the last processes of a machine may still be writing or unmounting
      if (left === 0) throw err;
      await delay((tries - left) * 100);
    }
  }
};
