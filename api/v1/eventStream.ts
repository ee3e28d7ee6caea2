/** A job's events, made from what the ledger knows: no state of a stream is kept anywhere. */

import { createHash } from 'node:crypto';
import { statusText } from '../../workflows/contract/status.ts';
import type { JobRow } from '../ports.ts';
import { detail, progressOf, queueOf } from './jobView.ts';
import { phaseOf, stepsOf, wordOf, type Step } from './phases.ts';

/** As far as a client has come: the last state it saw, and a digest of what it knows of that state. */
export interface StreamPosition extends Step {
  /** empty: only that it was reached */
  readonly digest: string;
}

/** One event; `position` is its id. */
export interface JobEvent {
  readonly position: StreamPosition;
  readonly kind: 'status' | 'progress' | 'end';
  readonly data: unknown;
}

const endDigest = 'end';

const idText = /^(\d{1,15})-(\d{1,3})-([0-9a-f]{12}|end)?$/;

/** The position behind a `Last-Event-ID`; null for none, or one that is not ours: then everything is told. */
export const parsePosition = (text: string | undefined): StreamPosition | null => {
  const match = text === undefined ? null : idText.exec(text);
  return match === null ? null : { atMs: Number(match[1]), status: Number(match[2]), digest: match[3] ?? '' };
};

/** True for the position behind the last event of a job. */
export const isEnd = (position: StreamPosition | null): boolean => position?.digest === endDigest;

const isBefore = (a: Step, b: Step): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.status < b.status);

const statusEvent = (step: Step): JobEvent => ({
  position: { ...step, digest: '' },
  kind: 'status',
  data: { phase: wordOf(step.status), status: step.status, statusText: statusText(step.status), at: new Date(step.atMs).toISOString() },
});

const progressEvent = (row: JobRow, step: Step): JobEvent => {
  const data = {
    phase: phaseOf(row),
    status: row.status,
    statusText: statusText(row.status),
    reason: row.reason,
    queue: queueOf(row),
    progress: progressOf(row),
    stopRequested: row.stopRequested,
  };
  const digest = createHash('sha256').update(JSON.stringify(data)).digest('hex').slice(0, 12);
  return { position: { ...step, digest }, kind: 'progress', data };
};

/**
 * What a client has not been told yet: every state that was reached since `position`, then what is known of the
 * present one if that is new, or the end.
 * @param nowMs milliseconds since the epoch
 */
export const eventsSince = (row: JobRow, position: StreamPosition | null, nowMs: number): readonly JobEvent[] => {
  const steps = stepsOf(row);
  const reached = steps.filter((step) => position === null || isBefore(position, step)).map(statusEvent);
  const last = steps.at(-1) ?? { atMs: row.createdAtMs, status: row.status };
  if (row.finishedAtMs !== null) {
    return isEnd(position) ? [] : [...reached, { position: { ...last, digest: endDigest }, kind: 'end', data: detail(row, nowMs) }];
  }
  const present = progressEvent(row, last);
  const isKnown = reached.length === 0 && position?.digest === present.position.digest;
  return isKnown ? [] : [...reached, present];
};

/** The text of an event on the wire. @see HTML, "server-sent events" */
export const encodeEvent = ({ position: { atMs, status, digest }, kind, data }: JobEvent): string =>
  `id: ${atMs}-${status}-${digest}\nevent: ${kind}\ndata: ${JSON.stringify(data)}\n\n`;
