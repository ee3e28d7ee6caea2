/** The three FIFOs between agent and wrapper: `gate` lets the algorithm go, `life` tells its end, `log` carries its output. */

import { execFile } from 'node:child_process';
import { chmodSync, constants, existsSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { promisify } from 'node:util';
import { createLineSplitter, parseLifeLine, type LifeLine } from './life.ts';

/** The agent's ends. */
export interface Pipes {
  /** bytes of the algorithm; ends when wrapper and algorithm are gone */
  readonly log: Socket;
  /** true when a wrapper holds the pipes now; false before it came and after it went */
  readonly wrapperIsThere: boolean;
  /** reads the wrapper's lines; `onEnd` is called once, when the wrapper is gone for whatever reason */
  follow(nonce: string, onLine: (line: LifeLine) => void, onEnd: () => void): void;
  /** has a wrapper that waits to be heard repeat its last word */
  askAgain(): void;
  /** lets a wrapper end that has said its last word: it is not needed any more to keep what lies in the pipes */
  dismissWrapper(): void;
  /** lets the algorithm go */
  openGate(nonce: string): void;
  /** has everything in the algorithm's container killed within about a second */
  killAlgorithm(): void;
}

const run = promisify(execFile);

/** On a cluster the control folder gets its busybox while the agent starts. */
const imageBusybox = '/opt/c2d/busybox';

const modes = { log: 0o666, life: 0o622, gate: 0o644 } as const;

/**
 * Makes the FIFOs, or opens the ones that an earlier life of this agent made, then lets the wrapper in. Reading ends
 * are opened without blocking and before `ready` appears: both sides would wait for each other for ever otherwise.
 */
export const openPipes = async (folder: string): Promise<Pipes> => {
  const path = (name: string): string => `${folder}/${name}`;
  const missing = Object.keys(modes).filter((name) => !existsSync(path(name)));
  if (missing.length > 0) await run(existsSync(imageBusybox) ? imageBusybox : path('busybox'), ['mkfifo', ...missing.map(path)]);
  for (const [name, mode] of Object.entries(modes)) chmodSync(path(name), mode);
  const life = openSync(path('life'), constants.O_RDONLY | constants.O_NONBLOCK);
  const log = openSync(path('log'), constants.O_RDONLY | constants.O_NONBLOCK);
  const gate = openSync(path('gate'), constants.O_RDWR);
  const early = readEarly(life);
  writeFileSync(path('ready'), '');
  return {
    log: new Socket({ fd: log, readable: true, writable: false }),
    wrapperIsThere: early !== undefined,
    follow(nonce, onLine, onEnd) {
      const take = createLineSplitter((line) => {
        const parsed = parseLifeLine(line, nonce);
        if (parsed !== undefined) onLine(parsed);
      });
      if (early !== undefined) take(early);
      const socket = new Socket({ fd: life, readable: true, writable: false });
      socket.on('data', take);
      socket.once('close', onEnd);
      socket.on('error', () => socket.destroy());
    },
    askAgain() {
      writeSync(gate, 'again\n');
    },
    dismissWrapper() {
      writeFileSync(path('taken'), '');
      writeSync(gate, 'bye\n');
    },
    openGate(nonce) {
      writeSync(gate, `go ${nonce}\n`);
    },
    killAlgorithm() {
      writeFileSync(path('stop'), '');
    },
  };
};

/** For an agent that does not come back: has the algorithm killed, and its wrapper end without being heard. */
export const abandonAlgorithm = (folder: string): void => {
  for (const name of ['taken', 'stop']) writeFileSync(`${folder}/${name}`, '');
};

/** What lies in the pipe already. @returns undefined when nobody holds its other end */
const readEarly = (fd: number): Buffer | undefined => {
  const buffer = Buffer.alloc(64 * 1024);
  try {
    const bytes = readSync(fd, buffer);
    return bytes === 0 ? undefined : buffer.subarray(0, bytes);
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'EAGAIN') return Buffer.alloc(0);
    throw err;
  }
};
