/** Failures of phases: what they are, and how the gateway is told. */

import type { Gateway } from './client.ts';
import type { AgentPhase } from './progress.ts';

/** A phase cannot go on. `type` is a failure type of the workflow's vocabulary; `retryable`: it may go again in this pod. */
export class PhaseFailure extends Error {
  readonly type: string;
  readonly retryable: boolean;

  constructor(type: string, message: string, retryable: boolean) {
    super(message);
    this.name = 'PhaseFailure';
    this.type = type;
    this.retryable = retryable;
  }
}

type Reporting = Pick<Gateway, 'report' | 'nextAttempt'>;

/** Tells of a failure and waits until the phase is to go again. */
export const failForNow = async (gateway: Reporting, phase: AgentPhase, { type, message }: PhaseFailure): Promise<void> => {
  const failed = await gateway.nextAttempt(phase, 0);
  await gateway.report({ outcome: 'failed', phase, type, message, retryable: true });
  await gateway.nextAttempt(phase, failed);
};

/** Tells of a failure and never returns: heartbeats go on until the job is over and the pod is removed. */
export const failForGood = async (gateway: Reporting, phase: AgentPhase, { type, message }: PhaseFailure): Promise<never> => {
  await gateway.report({ outcome: 'failed', phase, type, message, retryable: false });
  return new Promise<never>(() => undefined);
};
