import { CompleteAsyncError, activityInfo, heartbeat, sleep } from '@temporalio/activity';
import type { AlgorithmExit, PodRef } from '../workflows/contract/job.ts';
import type { PodOutcome } from '../workflows/contract/pod.ts';
import { failIfGoing } from './awaitAgent.ts';
import { noteImage, type ImageNotesDeps } from './noteImage.ts';

export interface PodObserver {
  readonly pods: { observe(pod: PodRef): Promise<PodOutcome> };
}

/** How long a runtime may take to see an end that the agent has seen, and between two looks. */
const settleMs = 8_000;
const lookEveryMs = 250;

/** After this the agent, which repeats its reports, has had time enough to tell what it knows. */
const agentPatienceMs = 60_000;

/**
 * Leaves the wait to the pod's agent, or tells now what the agent can tell no more. Safe to repeat: it reads, and notes
 * which image is running.
 * An end that the runtime shows is left to the agent's own report, because that knows more than an exit code: whether
 * memory ran out or the algorithm killed itself, for one. The runtime's word counts when the agent has said that it does
 * not know, or has not spoken for a minute after the end.
 */
export const runAlgorithm = ({ pods, images }: PodObserver & ImageNotesDeps) =>
  async function runAlgorithm(pod: PodRef): Promise<AlgorithmExit> {
    const details: unknown = activityInfo().heartbeatDetails;
    const isExitUnknown = saysExitUnknown(details);
    const outcome = isExitUnknown ? await observeEnd(pods, pod, details) : await pods.observe(pod);
    await noteImage({ images }, pod, outcome);
    failIfGoing(outcome, pod);
    if (outcome.kind !== 'ended') throw new CompleteAsyncError();
    const { exitCode, oomKilled, startedAtMs, finishedAtMs } = outcome;
    const mayTell = activityInfo().attempt === 1 || Date.now() - finishedAtMs < agentPatienceMs;
    if (mayTell && !isExitUnknown) throw new CompleteAsyncError();
    return { end: 'ran', exitCode, oomKilled, startedAtMs, finishedAtMs, reason: `exit code ${exitCode}, read from the container runtime` };
  };

/** The agent saw the algorithm go; containers are told about a moment later, unless their node is silent. */
const observeEnd = async (pods: PodObserver['pods'], pod: PodRef, details: unknown): Promise<PodOutcome> => {
  const giveUpAt = Date.now() + settleMs;
  for (;;) {
    const outcome = await pods.observe(pod);
    const mayShow = outcome.kind === 'alive' && outcome.ending === undefined && outcome.doubt === undefined;
    if (!mayShow || Date.now() > giveUpAt) return outcome;
    // details last from attempt to attempt: the next one must know them too, and when the agent spoke last
    heartbeat(details);
    await sleep(lookEveryMs);
  }
};

/** Details are whatever was sent last: progress of the agent, or its word that it does not know. */
const saysExitUnknown = (details: unknown): boolean =>
  typeof details === 'object' && details !== null && 'exitUnknown' in details && details.exitUnknown === true;
