/** SIGKILL for processes inside containers, as the host's kernel or an administrator would send it. */

import type Docker from 'dockerode';

/** Where to kill, and an image with a shell. */
export interface Killer {
  readonly docker: Docker;
  readonly image: string;
}

/** Host process id of a container's first process. */
export const mainProcessOf = async (docker: Docker, container: string): Promise<number> => {
  const { State } = await docker.getContainer(container).inspect();
  if (!State.Running || State.Pid <= 0) throw new Error(`${container} does not run`);
  return State.Pid;
};

const killHere = (pids: readonly number[]): boolean => {
  try {
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    return true;
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'EPERM') return false;
    throw err;
  }
};

/**
 * Kills the first process of each container behind the engine's back: the engine takes it for a crash, as it would
 * not take its own `kill`. Where the processes are not ours to signal, a helper container that may does it.
 */
export const killMainProcesses = async ({ docker, image }: Killer, containers: readonly string[]): Promise<void> => {
  const pids = await Promise.all(containers.map((name) => mainProcessOf(docker, name)));
  if (killHere(pids)) return;
  const helper = await docker.createContainer({
    Image: image,
    User: '0:0',
    Entrypoint: ['sh', '-c', `kill -KILL ${pids.join(' ')}`],
    HostConfig: { PidMode: 'host', NetworkMode: 'none', CapAdd: ['KILL'], SecurityOpt: ['label=disable'] },
  });
  try {
    await helper.start();
    const { StatusCode } = (await helper.wait()) as { StatusCode: number };
    if (StatusCode !== 0) throw new Error(`the helper container could not kill ${containers.join(', ')}`);
  } finally {
    await helper.remove({ force: true });
  }
};

const execPatienceMs = 10_000;

/**
 * Runs a command in the algorithm's container and resolves with its exit code. A shell tells the code, because an
 * engine may say of a command that has not begun yet that it ended with 0.
 * @throws Error when nothing is told
 */
export const execIn = async (docker: Docker, container: string, command: readonly string[]): Promise<number> => {
  const shell = ['/.c2d/busybox', 'sh', '-c', '"$@"; echo "exit $?"', 'sh', ...command];
  const exec = await docker.getContainer(container).exec({ Cmd: shell, AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({});
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const late = setTimeout(() => reject(new Error(`${command.join(' ')} in ${container} tells nothing`)), execPatienceMs);
  let output = '';
  stream
    .on('data', (piece: Buffer) => {
      output += piece.toString('latin1');
      const code = /exit (\d+)\n/.exec(output)?.[1];
      if (code !== undefined) resolve(Number(code));
    })
    .once('end', () => reject(new Error(`${command.join(' ')} in ${container} ended without telling its code`)))
    .once('error', reject);
  return promise.finally(() => {
    clearTimeout(late);
    stream.destroy();
  });
};
