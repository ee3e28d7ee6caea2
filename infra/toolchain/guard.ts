/** Ends our programs when we cannot: after SIGKILL, or when memory ran out. */

import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';

/**
 * Holds the read end of a pipe of ours. However we end, the system closes the pipe, and what is still on the list
 * is killed. A shell, because it must be small and must not fail with us.
 */
const script = `
trap '' INT TERM HUP
pids=' '
while read -r verb pid; do
  case "$verb" in
    add) pids="$pids$pid " ;;
    remove) case "$pids" in *" $pid "*) pids="\${pids%% $pid *} \${pids#* $pid }" ;; esac ;;
  esac
done
for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
`;

let pipe: Socket | undefined;

const openPipe = (): Socket => {
  const guard = spawn('/bin/sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  const stdin = guard.stdin as Socket;
  // without a guard programs still run: it only matters when we are killed
  guard.on('error', () => undefined);
  stdin.on('error', () => undefined);
  guard.unref();
  stdin.unref();
  return stdin;
};

/** From now on the program does not outlive us. */
export const guardProgram = (pid: number): void => {
  pipe ??= openPipe();
  pipe.write(`add ${pid}\n`);
};

/** The program has ended by itself: its number may soon be another's. */
export const releaseProgram = (pid: number): void => {
  pipe?.write(`remove ${pid}\n`);
};
