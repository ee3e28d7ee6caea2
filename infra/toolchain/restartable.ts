/** A server that can be killed and started again in place: same ports, same data. */

import type { Program } from './program.ts';

/** A program under the same configuration for its whole life, whatever process serves it now. */
export interface Restartable {
  readonly name: string;
  /** process id of the present incarnation */
  readonly pid: number;
  /** Sends a signal to the present incarnation and does not wait. */
  kill(signal: NodeJS.Signals): void;
  /** Resolves once the present incarnation has ended. */
  waitForEnd(): Promise<void>;
  /** Ends the present incarnation gracefully if it lives, and resolves when the next one is ready. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Starts a program that can be restarted.
 * @param start starts it and resolves when it is ready
 */
export const startRestartable = async (start: () => Promise<Program>): Promise<Restartable> => {
  let program = await start();
  return {
    name: program.name,
    get pid() {
      return program.pid;
    },
    kill: (signal) => program.kill(signal),
    waitForEnd: async () => {
      await program.ended;
    },
    restart: async () => {
      await program.close();
      program = await start();
    },
    close: () => program.close(),
  };
};
