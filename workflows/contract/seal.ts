/** Self-tests: a job of the service's own that proves, from inside a pod, that an environment is sealed. */

import type { FailureType } from './failures.ts';
import type { JobEnd } from './job.ts';
import { status } from './status.ts';

/** Argument of the `proveSeal` workflow. */
export interface SealTest {
  readonly environmentId: string;
}

/**
 * What a self-test found out. `unproved`: it did not come to a decision (no node, an image that cannot be pulled);
 * that neither proves nor disproves anything.
 */
export interface SealVerdict {
  readonly verdict: 'sealed' | 'unsealed' | 'unproved';
  /** one line for operators */
  readonly reason: string;
}

/** How the job of a self-test ended: by itself, or by a failure of the platform. */
export type SelfTestEnd = { readonly end: JobEnd } | { readonly failure: { readonly type: FailureType; readonly message: string } };

/** Exit code of a self-test that reached something; its log names what. Shells, kernels and Node use none near it. */
export const breachExitCode = 86;

/** Schedule, and prefix of the workflow ids, of an environment's self-tests. */
export const sealScheduleId = (environmentId: string): string => `${sealSchedulePrefix}${environmentId}`;

/** Every schedule whose id begins so belongs to a self-test. */
export const sealSchedulePrefix = 'c2d-seal/';

/** A breach is what the algorithm reached, or what its agent reached before it opened the gate; everything else decides nothing. */
export const judgeSelfTest = (ended: SelfTestEnd): SealVerdict => {
  if ('failure' in ended) {
    const { type, message } = ended.failure;
    return type === 'PodUnsealed' ? { verdict: 'unsealed', reason: message } : { verdict: 'unproved', reason: `${type}: ${message}` };
  }
  const { end } = ended;
  if (end.status === status.finished) return { verdict: 'sealed', reason: 'a job reached nothing but the gateway' };
  if (end.exitCode === breachExitCode) return { verdict: 'unsealed', reason: 'a job reached what it must not reach' };
  return { verdict: 'unproved', reason: end.reason };
};
