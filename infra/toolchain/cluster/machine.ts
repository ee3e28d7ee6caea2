/**
 * The machine that a cluster's node runs on: processes, network, mounts and folders of its own inside this machine.
 * When it is switched off, by us or by our death, everything in it is gone at once. It has a cable to this machine
 * and no route to anywhere else.
 */

import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MissingPart, messageOf } from '../parts.ts';
import { startProgram, waitUntilReady, type Program } from '../program.ts';
import { runProgram } from '../run.ts';
import { addressesOf, isTaken, slotCount, type ClusterAddresses } from './addresses.ts';

/** A machine that is switched on. */
export interface Machine {
  readonly addresses: ClusterAddresses;
  /** Runs a program in it to its end. @returns what it wrote to stdout */
  run(file: string, args: readonly string[]): Promise<string>;
  /** Starts a server in it. */
  start(options: {
    readonly name: string;
    readonly file: string;
    readonly args: readonly string[];
    readonly logFile: string;
  }): Promise<Program>;
  /** resolves when it has gone off, whoever did that */
  readonly ended: Promise<unknown>;
  /** Switches it off: every process in it ends, and with the last one its mounts and its network. */
  close(): Promise<void>;
}

/**
 * The first process of the machine. It collects ended orphans, as the first process must.
 * /run and the folders of system software are its own; settings of the kernel that a kubelet changes are decoys.
 */
const script = `set -e
folder=$1
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/decoys
for setting in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops; do
  decoy=/run/decoys/$(basename $setting)
  cat /proc/sys/$setting > $decoy
  mount --bind $decoy /proc/sys/$setting
done
mount --bind "$folder/var-lib" /var/lib
mount --bind "$folder/var-log" /var/log
echo 1 > /proc/sys/net/ipv4/ip_forward
# connections to pods that were killed would keep this network for minutes after its last process
echo 1 > /proc/sys/net/ipv4/tcp_orphan_retries
touch "$folder/booted"
while :; do sleep 1000 & wait $!; done
`;

/**
 * Switches a machine on.
 * @param folder the machine's disk; may not lie below /run, /var/lib or /var/log, which the machine has of its own
 * @throws MissingPart where namespaces cannot be made
 */
export const startMachine = async (folder: string): Promise<Machine> => {
  for (const name of ['var-lib', 'var-log', 'logs']) await mkdir(path.join(folder, name), { recursive: true });
  const scriptFile = path.join(folder, 'boot.sh');
  await writeFile(scriptFile, script);
  const logFile = path.join(folder, 'logs', 'machine.log');
  const program = await startProgram({
    name: 'machine',
    file: 'unshare',
    args: [
      '--fork',
      '--kill-child=SIGKILL',
      '--pid',
      '--net',
      '--mount',
      '--propagation',
      'slave',
      '--mount-proc',
      '/bin/sh',
      scriptFile,
      folder,
    ],
    logFile,
    stopSignal: 'SIGKILL',
  });
  try {
    await waitUntilReady(program, () => requireFile(path.join(folder, 'booted')), { patienceMs: 20_000, logFile });
    const init = await firstChild(program.pid);
    const addresses = await plugIn(init);
    return describeMachine(program, init, addresses);
  } catch (err) {
    await program.close();
    throw err instanceof MissingPart
      ? err
      : new MissingPart('cluster', messageOf(err), 'run it as root where namespaces can be made, or use a Docker engine with kind');
  }
};

const requireFile = async (file: string): Promise<void> => {
  if (!existsSync(file)) throw new Error('the machine has not booted yet');
};

const firstChild = async (pid: number): Promise<number> => {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').map(Number);
  const [child] = children;
  if (child === undefined || child === 0) throw new Error(`process ${pid} has no child`);
  return child;
};

const describeMachine = (program: Program, init: number, addresses: ClusterAddresses): Machine => ({
  addresses,
  run: (file, args) => runProgram('nsenter', enter(init, file, args), { timeoutMs: 60_000 }),
  start: async (options) =>
    superviseInside(await startProgram({ ...options, file: 'nsenter', args: enter(init, options.file, options.args) })),
  ended: program.ended,
  close: async () => {
    // the cable first, while its name is surely ours: the kernel would take it away some time after the last process
    if (!program.hasEnded()) await runProgram('ip', ['link', 'delete', addresses.device]).catch(() => undefined);
    await program.close();
    while (await isAlive(init)) await delay(10);
  },
});

const enter = (init: number, file: string, args: readonly string[]): readonly string[] => [
  '--target',
  String(init),
  '--pid',
  '--mount',
  '--net',
  '--',
  file,
  ...args,
];

/** `nsenter` is only the door: signals go to the program behind it, and the door closes when that has ended. */
const superviseInside = (door: Program): Program => {
  const kill = (signal: NodeJS.Signals): void => {
    void firstChild(door.pid).then(
      (pid) => process.kill(pid, signal),
      () => undefined,
    );
  };
  const close = async (): Promise<void> => {
    kill('SIGTERM');
    const force = setTimeout(() => kill('SIGKILL'), 10_000);
    await door.ended;
    clearTimeout(force);
  };
  return { ...door, kill, close };
};

const isAlive = async (pid: number): Promise<boolean> => {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return status !== '' && !/\) [ZX] /.test(status);
};

/**
 * Lays the cable between this machine and the other: whoever makes a device first has its network. The device goes
 * when the other machine does.
 */
const plugIn = async (init: number): Promise<ClusterAddresses> => {
  const routes = JSON.parse(await runProgram('ip', ['-json', 'route', 'show', 'table', 'all'])) as { dst?: string }[];
  const destinations = routes.flatMap(({ dst }) => (dst === undefined ? [] : [dst]));
  for (let slot = 0; slot < slotCount; slot += 1) {
    if (isTaken(slot, destinations)) continue;
    const addresses = addressesOf(slot);
    const isOurs = await runProgram('ip', [
      'link',
      'add',
      addresses.device,
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      String(init),
    ]).then(
      () => true,
      (err: unknown) => {
        if (!messageOf(err).includes('File exists')) throw err;
        return false;
      },
    );
    if (!isOurs) continue;
    await giveAddresses(init, addresses);
    return addresses;
  }
  throw new MissingPart('cluster', `all ${slotCount} networks for clusters are in use`, 'take clusters down that are not needed');
};

const giveAddresses = async (init: number, { device, host, node, prefixLength, podCidr, serviceCidr }: ClusterAddresses): Promise<void> => {
  const inside = (...args: string[]): Promise<string> => runProgram('nsenter', enter(init, 'ip', args));
  await runProgram('ip', ['address', 'add', `${host}/${prefixLength}`, 'dev', device]);
  await runProgram('ip', ['link', 'set', device, 'up']);
  await inside('address', 'add', `${node}/${prefixLength}`, 'dev', 'eth0');
  await inside('link', 'set', 'eth0', 'up');
  await inside('link', 'set', 'lo', 'up');
  for (const cidr of [podCidr, serviceCidr]) await runProgram('ip', ['route', 'add', cidr, 'via', node, 'dev', device]);
};
