/** How far the current phase is: one object that the phases change and the signs of life read. */

import type { AgentProgress } from '../gateway/protocol.ts';

/** Phases that the agent drives. */
export type AgentPhase = AgentProgress['phase'];

/** The protocol's progress, changeable. */
export type Progress = { -readonly [Key in keyof AgentProgress]: AgentProgress[Key] };

/** Nothing done yet. */
export const createProgress = (): Progress => ({ phase: 'stageInputs', filesDone: 0, filesTotal: 0, bytesDone: 0, bytesTotal: null });

/** Starts counting anew for `phase`. */
export const enterPhase = (progress: Progress, phase: AgentPhase, filesTotal = 0, bytesTotal: number | null = null): void => {
  Object.assign(progress, { phase, filesDone: 0, filesTotal, bytesDone: 0, bytesTotal, filtering: undefined } satisfies Progress);
};
