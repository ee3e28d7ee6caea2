import type { PodRef, StagedInputs } from '../workflows/contract/job.ts';
import { awaitAgent } from './awaitAgent.ts';
import type { PodObserver } from './runAlgorithm.ts';

/** The agent fetches inputs, algorithm and DDOs, and opens the gate; the gateway completes this. Safe to repeat. */
export const stageInputs = (deps: PodObserver) =>
  async function stageInputs(pod: PodRef): Promise<StagedInputs> {
    return awaitAgent(deps, pod);
  };
