/** Real pods for tests: one engine and two images a file, one gateway a pod, and a guard against leftovers. */

import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { tmpdir } from 'node:os';
import type Docker from 'dockerode';
import { dockerPods } from '../../../infra/pods/docker.ts';
import { defaultPodSettings, type DockerPodSettings } from '../../../infra/pods/dockerSpec.ts';
import { ensureAgentImage } from '../../../infra/toolchain/agentImage.ts';
import { ensureNodeAlgorithmImage } from '../../../infra/toolchain/algorithmImage.ts';
import { ensureBusybox } from '../../../infra/toolchain/busybox.ts';
import { startContainerEngine, type ContainerEngine } from '../../../infra/toolchain/containerEngine.ts';
import type { PodRef } from '../../../workflows/contract/job.ts';
import { anywhere, type PodSpec } from '../../../workflows/contract/pod.ts';
import type { SuitePod, SuitePodOptions } from './pods.suite.ts';
import { aPlan, TestGateway } from './testGateway.ts';

/** What all tests of a file share. */
export interface PodHarness {
  readonly engine: ContainerEngine;
  readonly docker: Docker;
  readonly settings: Omit<DockerPodSettings, 'gateway'>;
  readonly algorithmImage: string;
  readonly busyboxPath: string;
  readonly folder: string;
  close(): Promise<void>;
}

const startPodHarness = async (): Promise<PodHarness> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'c2d-pods-'));
  await chmod(folder, 0o755);
  const engine = await startContainerEngine({ folder: path.join(folder, 'engine') });
  const { path: busyboxPath } = await ensureBusybox();
  const [agentImage, algorithmImage] = await Promise.all([
    ensureAgentImage({ docker: engine.docker, busyboxPath }),
    ensureNodeAlgorithmImage({ docker: engine.docker, busyboxPath }),
  ]);
  const { seccompProfile } = engine;
  return {
    engine,
    docker: engine.docker,
    algorithmImage,
    busyboxPath,
    folder,
    settings: {
      ...defaultPodSettings,
      instance: `test-${randomBytes(6).toString('hex')}`,
      agentImage,
      ...(seccompProfile !== undefined && { seccompProfile }),
    },
    async close() {
      await engine.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};

/** One pod with its own gateway. */
export interface TestPod extends SuitePod {
  readonly spec: PodSpec;
  readonly socketPath: string;
  inspect(part: 'agent' | 'algorithm'): Promise<Docker.ContainerInspectInfo>;
  /** removes the pod and closes its gateway */
  close(): Promise<void>;
}

/** What a test decides about its pod. */
export type TestPodOptions = SuitePodOptions;

const preparePod = async (harness: PodHarness, { command, plan, files, spec: changes }: TestPodOptions): Promise<TestPod> => {
  const pod: PodRef = { jobId: randomBytes(16).toString('hex'), podAttempt: 1 };
  const directory = path.join(harness.folder, pod.jobId.slice(0, 8));
  await mkdir(directory, { recursive: true });
  const gateway = new TestGateway(aPlan({ ...plan, jobId: pod.jobId }), files, randomBytes(8).toString('hex'));
  const socketPath = path.join(directory, 'gateway.sock');
  await gateway.listen(socketPath);
  const runtime = dockerPods({ docker: harness.docker, settings: { ...harness.settings, gateway: { kind: 'unixSocket', directory } } });
  const spec: PodSpec = {
    pod,
    environmentId: 'test',
    image: harness.algorithmImage,
    command: typeof command === 'string' ? ['node', '-e', command] : command,
    env: {},
    resources: { cpu: 1, memoryBytes: 256 * 1024 ** 2, diskBytes: 100_000_000, devices: {} },
    token: gateway.token,
    deadlineSeconds: 120,
    graceSeconds: 5,
    createSeconds: 60,
    publishSeconds: 60,
    placement: anywhere,
    filters: [],
    ...changes,
  };
  return {
    pod,
    gateway,
    runtime,
    spec,
    socketPath,
    create: () => runtime.create(spec, () => undefined),
    inspect: (part) => harness.docker.getContainer(`c2d-${pod.jobId}-${pod.podAttempt}-${part}`).inspect(),
    async close() {
      await runtime.remove(pod);
      await gateway.close();
    },
  };
};

/** What {@link useEnginePods} gives. */
export interface EnginePods {
  harness(): PodHarness;
  /** A pod of the test's own: it is gone after the test. */
  aPod(options: TestPodOptions): Promise<TestPod>;
}

/** One engine for the tests of a file; after each, nothing of its pods is left. Call it at the top of the file. */
export const useEnginePods = (): EnginePods => {
  let harness: PodHarness;
  const open: TestPod[] = [];
  beforeAll(async () => {
    harness = await startPodHarness();
  }, 120_000);
  afterEach(async () => {
    await Promise.all(open.splice(0).map((pod) => pod.close()));
    const filters = { label: [`c2d.instance=${harness.settings.instance}`] };
    expect(await harness.docker.listContainers({ all: true, filters })).toEqual([]);
    expect((await harness.docker.listVolumes({ filters })).Volumes ?? []).toEqual([]);
  });
  afterAll(async () => {
    await harness.close();
  });
  return {
    harness: () => harness,
    async aPod(options) {
      const pod = await preparePod(harness, options);
      open.push(pod);
      return pod;
    },
  };
};
