/** What two containers of a pod say about its job. Pure; judged in one place only. */

import type { PodOutcome } from '../../workflows/contract/pod.ts';

/** State of a container as Docker Engine and Podman show it in an inspection. */
export interface ContainerState {
  /** `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`; Podman also `stopped`, `configured`, `initialized`, `stopping` */
  readonly status: string;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** milliseconds since the epoch; 0 for never */
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
}

const living = new Set(['running', 'paused', 'restarting', 'stopping', 'removing']);
const unstarted = new Set(['created', 'configured', 'initialized']);

/** The engine restarts a failed agent; between the two lives it shows up as exited. */
const restartPatienceMs = 10_000;

/** Exit code of a process that SIGKILL ended. */
const killedExitCode = 137;

/**
 * What a look at both containers says.
 * @param agent undefined when there is no such container
 * @param nowMs by the engine's clock, milliseconds since the epoch
 * @returns `lost` without an agent that can still report, whatever the algorithm shows: an agent that is gone, that
 *   ended by itself, or that the engine gave up. Never throws: an unknown status of the algorithm is `alive`.
 *   Where the engine does not tell, exit code 137 counts as out of memory; the agent's own report knows better.
 */
export const podOutcome = (agent: ContainerState | undefined, algorithm: ContainerState | undefined, nowMs: number): PodOutcome => {
  if (agent === undefined) return { kind: 'lost', reason: "the agent's container is gone" };
  if (algorithm === undefined) return { kind: 'lost', reason: "the algorithm's container is gone" };
  if (!canReport(agent, nowMs)) return { kind: 'lost', reason: reasonOfLoss(agent) };
  if (living.has(algorithm.status) || unstarted.has(algorithm.status)) return { kind: 'alive' };
  if (!['exited', 'dead', 'stopped'].includes(algorithm.status)) return { kind: 'alive' };
  return {
    kind: 'ended',
    exitCode: algorithm.exitCode,
    oomKilled: algorithm.oomKilled || algorithm.exitCode === killedExitCode,
    startedAtMs: algorithm.startedAtMs,
    finishedAtMs: algorithm.finishedAtMs,
  };
};

const canReport = (agent: ContainerState, nowMs: number): boolean =>
  living.has(agent.status) || (agent.exitCode !== 0 && agent.finishedAtMs > 0 && Math.abs(nowMs - agent.finishedAtMs) < restartPatienceMs);

const reasonOfLoss = ({ status, exitCode }: ContainerState): string => {
  if (unstarted.has(status)) return 'the agent was never started';
  return exitCode === 0 ? 'the agent has ended' : `the agent failed for good with exit code ${exitCode}`;
};
