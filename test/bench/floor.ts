/** The floor under a job: the same two containers and three volumes, made, run and removed by hand. */

import type Docker from 'dockerode';
import { agentContainer } from '../../infra/pods/dockerAgentSpec.ts';
import { algorithmContainer, defaultPodSettings, podParts, type DockerPodSettings } from '../../infra/pods/dockerSpec.ts';
import { podLabels } from '../../infra/pods/podLabels.ts';
import { anywhere, type PodSpec } from '../../workflows/contract/pod.ts';
import { clockMs } from './stage.ts';

/** What the floor is measured with. */
export interface FloorDeps {
  readonly docker: Docker;
  /** label value: whoever cleans up after a stack removes these containers too */
  readonly instance: string;
  readonly agentImage: string;
  readonly image: string;
  /** folder of the gateway's socket, mounted as in a job */
  readonly gatewayFolder: string;
  readonly seccompProfile: string | undefined;
}

/** Times of one pod without any service around it, milliseconds from the first call to the engine. */
export interface FloorTimes {
  readonly firstInstruction: number;
  readonly exit: number;
  readonly removed: number;
}

/** Writes the time of its first and of its last instruction, in milliseconds since the epoch. */
export const trivialAlgorithm = `const first = Date.now(); process.on('exit', () => console.log(first + ' ' + Date.now()));`;

/** The two times in the algorithm's output. @throws Error if they are not there */
export const readTimes = (output: string): { readonly firstAtMs: number; readonly exitAtMs: number } => {
  const [, first, exit] = /(\d{13}) (\d{13})/.exec(output) ?? [];
  if (first === undefined || exit === undefined) throw new Error(`the algorithm did not tell its times: ${output.slice(0, 200)}`);
  return { firstAtMs: Number(first), exitAtMs: Number(exit) };
};

/** Makes, runs and removes one pod in the order in which nothing waits without need. */
export const measureFloor = async (deps: FloorDeps, jobId: string): Promise<FloorTimes> => {
  const { docker } = deps;
  const { spec, settings } = floorSpec(deps, jobId);
  const { volumes } = podParts(spec.pod);
  const startedAtMs = clockMs();
  const Labels = podLabels(spec, settings.instance);
  await Promise.all(Object.values(volumes).map((Name) => docker.createVolume({ Name, Labels })));
  const agentOptions = { ...agentContainer(spec, settings), Entrypoint: ['/.c2d/busybox', 'sleep', '600'] };
  const algorithmOptions = {
    ...algorithmContainer(spec, { user: '', entrypoint: [], cmd: [] }, settings),
    Entrypoint: ['node'],
    Cmd: ['-e', trivialAlgorithm],
  };
  const [agent, algorithm] = await Promise.all([
    docker.createContainer(agentOptions).then(async (container) => {
      await container.start();
      return container;
    }),
    docker.createContainer(algorithmOptions),
  ]);
  // on Podman this is the larger part of a start, and needs the folders that the agent's start makes
  const output = await collectOutput(algorithm);
  await algorithm.start();
  const { firstAtMs, exitAtMs } = readTimes(await output.ended);
  await Promise.all([agent, algorithm].map(removeContainer));
  await Promise.all(Object.values(volumes).map((name) => docker.getVolume(name).remove({ force: true })));
  const removed = clockMs() - startedAtMs;
  return { firstInstruction: firstAtMs - startedAtMs, exit: exitAtMs - startedAtMs, removed };
};

const floorSpec = ({ instance, agentImage, image, gatewayFolder, seccompProfile }: FloorDeps, jobId: string) => {
  const settings: DockerPodSettings = {
    ...defaultPodSettings,
    instance,
    agentImage,
    gateway: { kind: 'unixSocket', directory: gatewayFolder },
    ...(seccompProfile !== undefined && { seccompProfile }),
  };
  const spec: PodSpec = {
    pod: { jobId, podAttempt: 1 },
    environmentId: 'floor',
    image,
    command: ['node'],
    env: {},
    resources: { cpu: 1, memoryBytes: 1024 ** 3, diskBytes: 1024 ** 3, devices: {} },
    token: 'none',
    deadlineSeconds: 600,
    graceSeconds: 5,
    createSeconds: 60,
    publishSeconds: 60,
    placement: anywhere,
    filters: [],
  };
  return { spec, settings };
};

/** Attached before the start; ends when the container's last process has closed its output. */
const collectOutput = async (container: Docker.Container): Promise<{ readonly ended: Promise<string> }> => {
  const stream = await container.attach({ stream: true, stdout: true, stderr: true });
  const ended = (async () => {
    let text = '';
    for await (const piece of stream as AsyncIterable<Buffer>) text += piece.toString('latin1');
    return text;
  })();
  return { ended };
};

/** Without the signal, Podman grants a container its stop time before a forced removal. */
const removeContainer = async (container: Docker.Container): Promise<void> => {
  await container.kill({ signal: 'SIGKILL' }).catch(() => undefined);
  await container.remove({ force: true, v: true });
};
