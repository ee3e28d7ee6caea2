/** The algorithm as the agent sees it: let go once, followed until its end. */

import type { Plan } from '../gateway/protocol.ts';
import type { LifeLine } from './life.ts';
import type { OutputScan } from './outputs.ts';
import { scanOutputs } from './outputs.ts';
import type { Pipes } from './pipes.ts';
import type { AgentState, AlgorithmExit, StateFile } from './state.ts';

/** What the algorithm did first: it runs, or it cannot, or the wrapper refused because the pod is not sealed. */
export type Beginning = { readonly kind: 'started' | 'unstartable' | 'gone' } | { readonly kind: 'unsealed'; readonly why: string };

/** A wrapper that is being followed. */
export interface FollowedAlgorithm {
  /** resolves when the wrapper waits at the gate, or is gone already */
  readonly arrived: Promise<void>;
  readonly began: Promise<Beginning>;
  /** resolves with the end, once wrapper and algorithm are gone */
  readonly ended: Promise<AlgorithmExit | 'unknown'>;
}

/** RLIMIT_FSIZE: a file grew beyond the disk that the job has. */
const fileSizeExitCode = 128 + 25;

/**
 * Follows the wrapper's lines. Call it once; `openGate` may be called after `arrived`.
 * @param quota tells at the end whether the outputs broke their limits
 */
export const followAlgorithm = (pipes: Pipes, { state, save }: StateFile, isOverQuota: () => boolean): FollowedAlgorithm => {
  const arrived = Promise.withResolvers<void>();
  const began = Promise.withResolvers<Beginning>();
  const ended = Promise.withResolvers<AlgorithmExit | 'unknown'>();
  const onLine = (line: LifeLine): void => {
    if (line.kind === 'here') arrived.resolve();
    else if (line.kind === 'unsealed' && !state.released) began.resolve({ kind: 'unsealed', why: line.why });
    else if (line.kind === 'started') {
      if (state.startedAtMs === null) {
        state.startedAtMs = Date.now();
        save();
      }
      began.resolve({ kind: 'started' });
    } else if (line.kind === 'unstartable' || line.kind === 'exit') {
      state.lastWord ??= { line, atMs: Date.now() };
      save();
      // one round of the event loop first: what the algorithm wrote last lies in the log's pipe already
      setImmediate(() => pipes.dismissWrapper());
    }
  };
  const onEnd = (): void => {
    ended.resolve(exitOf(state, isOverQuota()));
    began.resolve({ kind: state.lastWord?.line.kind === 'unstartable' ? 'unstartable' : 'gone' });
    arrived.resolve();
  };
  if (state.released && !pipes.wrapperIsThere) onEnd();
  else {
    if (pipes.wrapperIsThere && state.startedAtMs !== null) began.resolve({ kind: 'started' });
    if (pipes.wrapperIsThere) arrived.resolve();
    pipes.follow(state.nonce, onLine, onEnd);
    if (state.released) pipes.askAgain();
  }
  return { arrived: arrived.promise, began: began.promise, ended: ended.promise };
};

/** How the algorithm ended, by the wrapper's last word; without one nobody here knows. */
const exitOf = ({ lastWord, startedAtMs: started, releasedAtMs }: AgentState, isOverQuota: boolean): AlgorithmExit | 'unknown' => {
  const line = lastWord?.line;
  const finishedAtMs = lastWord?.atMs ?? Date.now();
  if (line?.kind === 'unstartable') return unstartableExit(line.program);
  // the word `started` is lost when the agent was being restarted just then
  const startedAtMs = started ?? (line === undefined ? null : releasedAtMs);
  if (isOverQuota) return quotaExit(line?.code ?? null, startedAtMs, finishedAtMs);
  if (line === undefined) return 'unknown';
  return line.code === fileSizeExitCode ? quotaExit(line.code, startedAtMs, finishedAtMs) : ordinaryExit(line, startedAtMs, finishedAtMs);
};

const unstartableExit = (program: string): AlgorithmExit => ({
  exitCode: null,
  oomKilled: false,
  end: 'unstartable',
  reason: `${program}: not found in the image, or not executable`,
  startedAtMs: null,
  finishedAtMs: null,
});

/** The end of an algorithm that wrote more than it may. */
export const quotaExit = (exitCode: number | null, startedAtMs: number | null, finishedAtMs: number | null): AlgorithmExit => ({
  exitCode,
  oomKilled: false,
  end: 'diskQuotaExceeded',
  reason: 'the outputs exceed the size or the number of files that this environment allows',
  startedAtMs,
  finishedAtMs,
});

const ordinaryExit = (
  { code, oomKills }: { readonly code: number; readonly oomKills: number },
  startedAtMs: number | null,
  finishedAtMs: number,
): AlgorithmExit => {
  const oomKilled = oomKills > 0 && code !== 0;
  const reason = oomKilled ? 'the algorithm exceeded its memory limit' : `the algorithm ended with exit code ${code}`;
  return { exitCode: code, oomKilled, end: 'ran', reason, startedAtMs, finishedAtMs };
};

/** Looks follow each other fast at first: most of what runs wild does so from the beginning. */
const firstWatchMs = 250;
const watchEveryMs = 2_000;

/** Looks at the outputs at least every two seconds until `stop`; calls `onExceeded` once. Walks never overlap. */
export const watchOutputs = (folder: string, limits: Plan['limits'], onExceeded: () => void): { stop(): void } => {
  let timer: NodeJS.Timeout;
  let stopped = false;
  const look = async (pauseMs: number): Promise<void> => {
    // while it runs an algorithm may keep more files than it may leave
    const scan: OutputScan = await scanOutputs(folder, { maxBytes: limits.outputBytes, maxFiles: limits.outputFiles * 4 });
    if (stopped) return;
    if (scan.exceeded !== undefined) onExceeded();
    else timer = setTimeout(() => void look(Math.min(pauseMs * 2, watchEveryMs)), pauseMs);
  };
  timer = setTimeout(() => void look(firstWatchMs), firstWatchMs);
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
};
