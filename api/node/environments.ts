/** Finds the environment that a request names. */

import { findEnvironment } from '../../infra/environments/environments.ts';
import type { ComputeEnvironment } from '../ports.ts';
import { Refusal } from '../problems.ts';

/**
 * @param id as clients remember it: a `<hash>-` prefix of older installations is ignored
 * @throws Refusal 400 `Invalid C2D Environment`
 */
export const requireEnvironment = (environments: readonly ComputeEnvironment[], id: string): ComputeEnvironment => {
  const found = findEnvironment(environments, id);
  if (found === undefined) throw new Refusal(400, 'Invalid C2D Environment');
  return found;
};
