/** Finds the environment that a request names. */

import type { ComputeEnvironment } from '../ports.ts';
import { Refusal } from '../problems.ts';

/**
 * @param id as clients remember it: a `<hash>-` prefix of older installations is ignored
 * @throws Refusal 400 `Invalid C2D Environment`
 */
export const requireEnvironment = (environments: readonly ComputeEnvironment[], id: string): ComputeEnvironment => {
  const bare = id.replace(/^0x[0-9a-fA-F]{64}-/, '');
  const found = environments.find((environment) => environment.id === id) ?? environments.find((environment) => environment.id === bare);
  if (found === undefined) throw new Refusal(400, 'Invalid C2D Environment');
  return found;
};
