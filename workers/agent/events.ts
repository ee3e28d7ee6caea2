/** Signs of life: heartbeats with progress, and the log as it grows. One request at a time. */

import type { Events } from '../gateway/protocol.ts';
import type { Gateway } from './client.ts';
import { JobOver } from './http.ts';
import type { AlgorithmLog } from './log.ts';
import type { Progress } from './progress.ts';
import type { StateFile } from './state.ts';

/** What {@link startEvents} needs. */
export interface EventsDeps {
  readonly gateway: Pick<Gateway, 'postEvents'>;
  readonly stateFile: StateFile;
  readonly progress: Progress;
  readonly heartbeatSeconds: number;
  /** the job is being cancelled in its present phase */
  readonly onStop: () => void;
  readonly onOver: () => void;
}

/** The running sender. */
export interface EventSender {
  /** from now on the log's new pieces are sent too */
  readonly attach: (log: AlgorithmLog) => void;
  /** something is new: it is sent within a tenth of a second */
  readonly poke: () => void;
  /** sends now what is new; resolves when the gateway has it, or when it does not take it this time */
  readonly flush: () => Promise<void>;
}

const batchMs = 100;
const maxPieceBytes = 64 * 1024;

/** Starts the heartbeats. What a failed request carried is sent again by the next one. */
export const startEvents = ({ gateway, stateFile, progress, heartbeatSeconds, onStop, onOver }: EventsDeps): EventSender => {
  const { state } = stateFile;
  // later lives of this agent must go on with higher numbers
  let sequence = Date.now();
  let log: AlgorithmLog | undefined;
  let sending: Promise<void> | undefined;
  let again = false;
  let batch: NodeJS.Timeout | undefined;

  const postOnce = async (): Promise<void> => {
    const piece = await log?.read(state.logSent, maxPieceBytes);
    const startedAtMs = state.startReported ? null : state.startedAtMs;
    const events: Events = {
      sequence: (sequence += 1),
      progress: { ...progress },
      ...(startedAtMs !== null && { algorithmStartedAtMs: startedAtMs }),
      logs: piece === undefined || piece.length === 0 ? [] : [{ offset: state.logSent, bytes: piece.toString('base64') }],
    };
    const { order } = await gateway.postEvents(events);
    state.logSent += piece?.length ?? 0;
    if (startedAtMs !== null) state.startReported = true;
    if (startedAtMs !== null || events.logs.length > 0) stateFile.save();
    if (order === 'stop') onStop();
  };
  const postAll = async (): Promise<void> => {
    try {
      do {
        again = false;
        await postOnce();
      } while (again || (log !== undefined && log.size() > state.logSent));
    } catch (err) {
      if (err instanceof JobOver) onOver();
    }
  };
  const flush = (): Promise<void> => {
    again = true;
    sending ??= postAll().finally(() => (sending = undefined));
    return sending;
  };
  setInterval(() => void flush(), heartbeatSeconds * 1_000);
  return {
    attach(opened) {
      log = opened;
    },
    poke() {
      batch ??= setTimeout(() => {
        batch = undefined;
        void flush();
      }, batchMs);
    },
    flush,
  };
};
