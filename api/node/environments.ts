/** Finds the environment that a request names. */

import { findEnvironment } from '../../infra/environments/environments.ts';
import type { ComputeEnvironment, Withdrawals } from '../ports.ts';
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

const retryAfterSeconds = 60;

/**
 * Fails closed: whether a job can be isolated there is not known, or known to be false.
 * @throws Refusal 503 for an environment that is withdrawn for now; operators see the reason, consumers what to do
 */
export const requireOffered = async (withdrawals: Withdrawals, { id }: ComputeEnvironment): Promise<void> => {
  if (!(await withdrawals()).has(id)) return;
  throw new Refusal(
    503,
    `Environment ${id} is not available now: that it isolates jobs has yet to be proved. Try again in a few minutes, or choose another environment`,
    { 'Retry-After': String(retryAfterSeconds) },
  );
};
