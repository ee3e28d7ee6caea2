/** `GET phases/{phase}/attempt`: waits for the next attempt of a phase that failed. */

import { phaseActivityId } from '../../workflows/contract/ids.ts';
import type { AgentPhase, PodRef } from '../../workflows/contract/job.ts';
import type { PodHandler } from './podAuthentication.ts';
import { jobOver, malformed } from './problems.ts';
import { agentPhase, type PhaseAttempt } from './protocol.ts';
import type { WorkflowLook } from './workflowLook.ts';

export interface PhasesDeps {
  readonly workflows: WorkflowLook;
  readonly pause: (milliseconds: number) => Promise<void>;
  /** milliseconds, any origin */
  readonly now: () => number;
}

/** How long one request waits, in milliseconds: below the idle limit of common proxies. */
const longPollMs = 25_000;
const firstWaitMs = 200;
const longestWaitMs = 2_000;

const parseAfter = (value: unknown): number => {
  if (value === undefined) return 0;
  const after = typeof value === 'string' && /^\d{1,15}(\.\d{1,6})?$/.test(value) ? Number(value) : NaN;
  if (Number.isNaN(after)) throw malformed('after is no time in milliseconds');
  return after;
};

/**
 * Answers the start of the phase's attempt once there is one other than that of `after`: attempts are told apart by their
 * start, because an operator's reset counts them from 1 again. 204 when none began within 25 s: ask again. 410 once the
 * job is over, or its pod is being removed: the job may go on in another one, but nothing of this one is awaited.
 */
export const awaitAttempt = (deps: PhasesDeps): PodHandler =>
  async function awaitAttempt(pod, req, res) {
    const phase = agentPhase.safeParse(req.params['phase']);
    if (!phase.success) throw malformed('there is no such phase');
    const after = parseAfter(req.query['after']);
    let gone = false;
    res.once('close', () => (gone = true));
    const until = deps.now() + longPollMs;
    for (let wait = firstWaitMs; !gone; wait = Math.min(wait * 1.5, longestWaitMs)) {
      const attempt = await findAttempt(deps, phase.data, pod);
      if (attempt !== null && attempt.startedAtMs !== after) return void res.json(attempt);
      if (deps.now() + wait > until) return void res.status(204).end();
      await deps.pause(wait);
    }
  };

const findAttempt = async ({ workflows }: PhasesDeps, phase: AgentPhase, pod: PodRef): Promise<PhaseAttempt | null> => {
  const { open, pending } = await workflows.look(pod.jobId);
  if (!open || pending.some(({ type }) => type === 'deletePod')) throw jobOver();
  const own = pending.find(({ activityId }) => activityId === phaseActivityId(phase, pod));
  return own?.state === 'started' && own.startedAtMs !== null ? { startedAtMs: own.startedAtMs } : null;
};
