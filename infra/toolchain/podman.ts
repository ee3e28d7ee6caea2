/** Podman as a Docker API of our own: no daemon of the machine is used or changed. */

import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import Docker from 'dockerode';
import { cacheFolder, withLock } from './cache.ts';
import { installDebianPackages } from './debian.ts';
import { MissingPart, messageOf, type FoundPart, type Report } from './parts.ts';
import { startProgram, waitUntilReady, type Program } from './program.ts';
import { findOnPath, runProgram } from './run.ts';
import { findDefaultProfile, writeHardenedProfile } from './seccompProfile.ts';

const remedy = 'start Docker, set DOCKER_HOST, or install podman and runc (Debian: apt-get install podman runc)';
const readyPatienceMs = 30_000;
const monitorPatienceMs = 20_000;

/** Podman on the PATH, if a runtime for it (runc) is there as well. */
export const findPodman = async (): Promise<FoundPart | undefined> => {
  const file = findOnPath('podman');
  if (file === undefined || findOnPath('runc') === undefined) return undefined;
  const version = (await runProgram(file, ['--version'], { timeoutMs: 60_000 })).replace(/^podman version /, '');
  return { name: 'podman', version, path: file, origin: 'path' };
};

/**
 * Podman, installed with apt if need be (Debian and Ubuntu, as root).
 * @throws MissingPart if there is no way to get it
 */
export const ensurePodman = async (report: Report = () => undefined): Promise<FoundPart> => {
  const found = await findPodman();
  if (found !== undefined) return found;
  await installDebianPackages(['podman', 'runc'], report).catch((err: unknown) => {
    throw new MissingPart('container engine', messageOf(err), remedy);
  });
  const installed = await findPodman();
  if (installed === undefined) throw new MissingPart('container engine', 'podman does not run', remedy);
  return { ...installed, origin: 'system package' };
};

/** A Docker API on a unix socket. */
export interface PodmanService {
  readonly docker: Docker;
  readonly socketPath: string;
  /** what the engine stores on disk: images, containers, volumes */
  readonly storageFolder: string;
  /** path of a hardened seccomp profile for pods; undefined where Podman brings none that could be hardened */
  readonly seccompProfile: string | undefined;
  close(): Promise<void>;
}

/**
 * Starts a Docker API in front of our own container storage below the cache folder, where images stay for the next
 * run. Several at once share that storage: tell objects apart by label.
 * @param folder for the socket and the log; short, as socket paths end at 107 bytes
 */
export const startPodman = async (podman: FoundPart, folder: string): Promise<PodmanService> => {
  const socketPath = path.join(folder, 'podman.sock');
  if (Buffer.byteLength(socketPath) > 107)
    throw new MissingPart('container engine', 'the socket path is too long', 'set TMPDIR to a short path');
  const [storage, state] = [path.join(cacheFolder(), 'podman'), stateFolder()];
  for (const each of [folder, storage, state]) await mkdir(each, { recursive: true, mode: 0o711 });
  const settings = path.join(folder, 'containers.conf');
  await writeFile(settings, containersConf());
  const registries = path.join(folder, 'registries.conf');
  await writeFile(registries, registriesConf);
  const seccompProfile = await hardenDefaultProfile(folder);
  const logFile = path.join(folder, 'podman.log');
  // where state lies must be the same in every run: the storage remembers it
  const places = ['--root', storage, '--runroot', path.join(state, 'root'), '--tmpdir', path.join(state, 'tmp')];
  const docker = new Docker({ socketPath });
  const start = (): Promise<Program> =>
    startProgram({
      name: 'podman',
      file: podman.path,
      args: [...places, '--log-level', 'warn', 'system', 'service', '--time', '0', `unix://${socketPath}`],
      env: {
        ...process.env,
        CONTAINERS_CONF: settings,
        CONTAINERS_REGISTRIES_CONF: registries,
        DOCKER_HOST: undefined,
        CONTAINER_HOST: undefined,
      },
      // Podman leaves files where it stands, such as one named `oom` for each container that ran out of memory
      cwd: folder,
      logFile,
    });
  // Podman mounts its storage onto itself when it starts: nobody may take that mount away meanwhile
  const program = await withLock(storageLock, async () => {
    const started = await start();
    await untilAnswering(started, docker, logFile);
    return started;
  });
  const close = async (): Promise<void> => {
    await program.close();
    await untilMonitorsEnded(settings);
    await withLock(storageLock, () => unmountIfUnused(storage));
  };
  return { docker, socketPath, storageFolder: storage, seccompProfile, close };
};

/** Names of their folders in /proc. */
const otherProcesses = async (): Promise<readonly string[]> =>
  (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));

/** A container's monitor cleans up after its container has been removed, and would outlive us. It has our settings in its environment. */
const untilMonitorsEnded = async (settings: string): Promise<void> => {
  const deadline = performance.now() + monitorPatienceMs;
  const isMonitor = async (name: string): Promise<boolean> =>
    (await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '')).includes(`CONTAINERS_CONF=${settings}`);
  const findMonitor = async (): Promise<boolean> => (await Promise.all((await otherProcesses()).map(isMonitor))).includes(true);
  while ((await findMonitor()) && performance.now() < deadline) await delay(50);
};

const storageLock = 'podman-storage';

/** The last one out takes the mount of the storage away. Whatever still uses the storage names it in its arguments. */
const unmountIfUnused = async (storage: string): Promise<void> => {
  if (process.getuid?.() !== 0) return;
  const commands = await Promise.all((await otherProcesses()).map((name) => readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')));
  if (commands.some((command) => command.includes(storage))) return;
  // busy, or not mounted: then there is nothing that we could do
  await runProgram('umount', [path.join(storage, 'overlay')], { timeoutMs: 10_000 }).catch(() => undefined);
};

const hardenDefaultProfile = async (folder: string): Promise<string | undefined> => {
  const source = findDefaultProfile();
  if (source === undefined) return undefined;
  const target = path.join(folder, 'seccomp.json');
  await writeHardenedProfile(source, target);
  return target;
};

const untilAnswering = async (program: Program, docker: Docker, logFile: string): Promise<void> => {
  const check = async (): Promise<void> => {
    await docker.ping();
  };
  try {
    await waitUntilReady(program, check, { patienceMs: readyPatienceMs, logFile });
  } catch (err) {
    await program.close();
    throw new MissingPart('container engine', messageOf(err), remedy);
  }
};

/** Must not survive a reboot, or containers of before it would count as running. */
const stateFolder = (): string => {
  const uid = process.getuid?.() ?? 0;
  const wanted = uid === 0 ? '/run' : (process.env.XDG_RUNTIME_DIR ?? `/run/user/${uid}`);
  const usable = existsSync(wanted) && statSync(wanted).isDirectory();
  return path.join(usable ? wanted : tmpdir(), `durable-c2d-${hashOf(cacheFolder())}`);
};

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8);

/** As Docker Engine has it: registries of this machine need no TLS. */
const registriesConf = `[[registry]]
location = "127.0.0.1"
insecure = true
`;

/** Settings that also hold in virtual machines without CAP_SYS_RESOURCE and with hybrid cgroups, which crun refuses. */
const containersConf = (): string => `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "none"

[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
# what was run in a container by hand is forgotten soon, not after five minutes: its monitor ends then
exit_command_delay = 2
`;
