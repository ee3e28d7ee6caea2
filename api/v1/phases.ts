/** Where a job is, in one word, and how long it was where. */

import { isTerminal, status } from '../../workflows/contract/status.ts';
import type { JobRow } from '../ports.ts';
import { phaseWords, type Phase } from './schemas.ts';

const words: Readonly<Record<number, Phase>> = {
  [status.queued]: 'queued',
  [status.pullingImage]: 'preparing',
  [status.configuringVolumes]: 'preparing',
  [status.provisioningData]: 'staging',
  [status.running]: 'running',
  [status.filtering]: 'publishing',
  [status.publishing]: 'publishing',
  [status.settling]: 'settling',
  [status.finished]: 'succeeded',
  [status.stopped]: 'stopped',
};

/** The word for a status number of an accepted job; every end that is neither success nor a stop is `failed`. */
export const wordOf = (number: number): Phase => words[number] ?? 'failed';

/** `judging` until the verdict is known, `refused` if it was no. */
export const phaseOf = ({ admission, status: number }: Pick<JobRow, 'admission' | 'status'>): Phase => {
  if (admission === 'pending') return 'judging';
  return admission === 'refused' ? 'refused' : wordOf(number);
};

/** Status numbers that a word stands for; those of `judging` and `refused` are none. */
export const statusesOf = (word: Phase): readonly number[] => Object.values(status).filter((number) => wordOf(number) === word);

/** True for the words that a list can be filtered by. */
export const isListed = (word: string): word is Phase =>
  (phaseWords as readonly string[]).includes(word) && statusesOf(word as Phase).length > 0;

/** A state that a job has reached. */
export interface Step {
  readonly status: number;
  readonly atMs: number;
}

/** In the order in which they were reached. When a lost pod is replaced its successor's times count. */
export const stepsOf = ({ phases }: Pick<JobRow, 'phases'>): readonly Step[] =>
  Object.entries(phases)
    .map(([number, atMs]) => ({ status: Number(number), atMs }))
    .toSorted((a, b) => a.atMs - b.atMs || a.status - b.status);

const toSeconds = (milliseconds: number): number => Math.max(0, milliseconds) / 1_000;

/** Each state lasts until the next one, the last until the job's end, or until now. */
export const timeOfPhases = (row: Pick<JobRow, 'phases' | 'finishedAtMs'>, nowMs: number) => {
  const steps = stepsOf(row).filter((step) => !isTerminal(step.status));
  return steps.map(({ status: number, atMs }, position) => ({
    phase: wordOf(number),
    status: number,
    startedAt: new Date(atMs).toISOString(),
    seconds: toSeconds((steps[position + 1]?.atMs ?? row.finishedAtMs ?? nowMs) - atMs),
  }));
};
