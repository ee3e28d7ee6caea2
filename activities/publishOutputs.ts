import type { PodRef, PublishedOutputs } from '../workflows/contract/job.ts';
import { awaitAgent } from './awaitAgent.ts';
import type { ImageNotesDeps } from './noteImage.ts';
import type { PodObserver } from './runAlgorithm.ts';

/** The agent uploads outputs and log, verified file by file; the gateway completes this. Safe to repeat. */
export const publishOutputs = (deps: PodObserver & ImageNotesDeps) =>
  async function publishOutputs(pod: PodRef): Promise<PublishedOutputs> {
    return awaitAgent(deps, pod);
  };
