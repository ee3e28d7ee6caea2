/** What a restarted agent must know, in a file that no algorithm can read. */

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import type { FilterEnd, PhaseReport, StagedInputs } from '../gateway/protocol.ts';
import type { LastWord } from './life.ts';

/** How the algorithm ended, as it is reported. */
export type AlgorithmExit = Extract<PhaseReport, { phase: 'runAlgorithm'; outcome: 'done' }>['result'];

/** What the filters of a pod said. */
export interface FilteredOutputs {
  /** the filters that were asked, in their order */
  readonly ends: readonly FilterEnd[];
  /** absent: the outputs may leave */
  readonly withheld?: { readonly as: 'OutputsWithheld' | 'FilterFailed'; readonly reason: string } | undefined;
}

/** Changed by assignment, then saved. */
export interface AgentState {
  /** passed through the gate; lines on the life pipe that carry it come from the wrapper */
  nonce: string;
  /** the wrapper was there when the gate was opened: if it is gone later, the algorithm has ended */
  released: boolean;
  releasedAtMs: number | null;
  /** when the first agent of this pod began to stage */
  stagingSinceMs: number | null;
  staged: StagedInputs | null;
  startedAtMs: number | null;
  startReported: boolean;
  /** bytes of the log that the gateway has */
  logSent: number;
  /** the file holds the whole log that will ever be */
  logCut: boolean;
  /** the wrapper's last line and when it came; the wrapper waits until it is kept here */
  lastWord: { readonly line: LastWord; readonly atMs: number } | null;
  exit: AlgorithmExit | 'unknown' | null;
  exitReported: boolean;
  /** null: not yet, or there was nothing to be filtered */
  filtered: FilteredOutputs | null;
  /** the log says what was left out of the outputs */
  skippedNoted: boolean;
}

/** State and how to keep it. */
export interface StateFile {
  readonly state: AgentState;
  /** after the call the file holds the present state, whole, even if the agent is killed meanwhile */
  readonly save: () => void;
}

/** Reads the state that an earlier life of this agent left, or begins a new one. */
export const openState = (path: string): StateFile => {
  const state: AgentState = { ...newState(), ...readState(path) };
  return {
    state,
    save() {
      writeFileSync(`${path}.new`, JSON.stringify(state), { mode: 0o600 });
      renameSync(`${path}.new`, path);
    },
  };
};

const newState = (): AgentState => ({
  nonce: randomBytes(16).toString('hex'),
  released: false,
  releasedAtMs: null,
  stagingSinceMs: null,
  staged: null,
  startedAtMs: null,
  startReported: false,
  logSent: 0,
  logCut: false,
  lastWord: null,
  exit: null,
  exitReported: false,
  filtered: null,
  skippedNoted: false,
});

const readState = (path: string): Partial<AgentState> => {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Partial<AgentState>;
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw err;
  }
};
