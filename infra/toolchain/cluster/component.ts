/** One server of a cluster: stopped and started on demand, and started again when it dies by itself. */

import type { Program } from '../program.ts';
import type { Report } from '../parts.ts';

/** A server of a cluster. */
export interface Component {
  readonly name: string;
  isRunning(): boolean;
  /** Ends it, gracefully or by SIGKILL, and leaves it down. Safe to repeat. */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Starts it if it is down; resolves when it serves. */
  start(): Promise<void>;
}

const restartDelayMs = 1_000;

/**
 * A server that is down at first.
 * @param launch starts it and resolves when it serves
 */
export const createComponent = (name: string, launch: () => Promise<Program>, report: Report): Component => {
  let program: Program | undefined;
  let isWanted = false;
  // one start or stop at a time
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const done = turn.then(work);
    turn = done.catch(() => undefined);
    return done;
  };
  const bringUp = async (): Promise<void> => {
    if (program !== undefined && !program.hasEnded()) return;
    const started = await launch();
    program = started;
    void started.ended.then((how) => {
      if (isWanted && program === started) comeBack(how);
    });
  };
  const comeBack = (how: string): void => {
    report(`${name} ended with ${how} and is started again`);
    setTimeout(() => {
      if (isWanted) void inTurn(bringUp).catch((err: unknown) => comeBack(String(err)));
    }, restartDelayMs).unref();
  };
  return {
    name,
    isRunning: () => program !== undefined && !program.hasEnded(),
    stop: (signal) => {
      isWanted = false;
      return inTurn(async () => {
        if (program === undefined) return;
        if (signal === 'SIGKILL') program.kill('SIGKILL');
        else await program.close();
        await program.ended;
      });
    },
    start: () => {
      isWanted = true;
      return inTurn(bringUp);
    },
  };
};
