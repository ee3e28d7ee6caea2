/** One hostile job beside an innocent one, and what can be reached from elsewhere: everything that the tests then judge. */

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { V1Pod } from '@kubernetes/client-node';
import { createKeyring, keyringText } from '../../infra/crypto/keyring.ts';
import { createPodTokens, type PodTokens } from '../../infra/crypto/podToken.ts';
import { placeOf } from '../../infra/toolchain/cluster/place.ts';
import { containerdSocket } from '../../infra/toolchain/cluster/settings.ts';
import { readServiceKeys } from '../../infra/toolchain/serviceKeys.ts';
import { podName } from '../../workflows/contract/ids.ts';
import type { AttackOutcome } from '../support/attacks.ts';
import { clusterAttackProgram, type ClusterTargets, type Vantage } from '../support/clusterAttacks.ts';
import { mainProcessOf } from '../support/containerProcesses.ts';
import { gatewayAttacks, withToken } from '../support/gatewayAttacks.ts';
import { eventually } from '../support/heldJobs.ts';
import { awaitEnd, publishDataset, runRawJob, startRawJob, type EndedJob } from '../support/jobs.ts';
import { portsOfThisMachine, scanFor, scanFromNetworkOf, startEcho } from '../support/networkScan.ts';
import type { Scene } from '../support/scene.ts';
import { clusterOfThisRun } from '../support/testCluster.ts';
import { startVantagePoints, type VantagePoints } from '../support/vantagePoints.ts';
import { openClients, startListener } from './clusterScene.ts';
import { askForForbiddenPods } from './forbiddenPods.ts';

type Outcomes = Readonly<Record<string, AttackOutcome>>;

/** Fields of /proc/<pid>/status */
type ProcessStatus = Readonly<Record<string, string>>;

/** What was found out. */
export interface Escapes {
  readonly hostile: EndedJob;
  readonly innocent: EndedJob;
  /** name of the innocent job's result */
  readonly marker: string;
  /** attempts of the hostile job */
  readonly sealed: Outcomes;
  /** the same from where they succeed */
  readonly open: Readonly<Record<Vantage, Outcomes>>;
  readonly gateway: Outcomes;
  readonly withRightToken: AttackOutcome;
  readonly neighbourReachesInnocent: AttackOutcome;
  /** `address:port` of everything that answered, out of all that listens on node and machine */
  readonly scannedFromAgent: readonly string[];
  readonly scannedFromNeighbour: readonly string[];
  readonly gatewayAddress: string;
  readonly canaryAddress: string;
  /** the innocent job's, while it ran */
  readonly pod: V1Pod;
  readonly processes: Readonly<Record<'agent' | 'algorithm', ProcessStatus>>;
  /** the cluster's words about pods that break the rules */
  readonly forbiddenPods: Readonly<Record<string, string>>;
}

type ClusterPlace = Extract<Scene['stack']['pods'], { kind: 'kubernetes' }>;

const innocentPort = 8_090;
const goFile = '/tmp/go';

const innocentCode = (marker: string): string => `
const fs = require('node:fs');
require('node:http').createServer((_req, res) => res.end('here')).listen(${innocentPort}, '0.0.0.0', () => fs.writeFileSync('/data/outputs/${marker}', 'innocent'));
setInterval(() => fs.existsSync('${goFile}') && process.exit(0), 50);`;

/** Plays everything and leaves nothing running. */
export const stageEscapes = async (scene: Scene): Promise<Escapes> => {
  const { pods, nodeImage } = scene.stack;
  if (pods.kind !== 'kubernetes') throw new Error('these tests are for a cluster: npm run test:kubernetes');
  const cluster = await clusterOfThisRun();
  const points = await startVantagePoints(cluster, nodeImage, containerdSocket(placeOf(cluster.name).folder));
  try {
    const innocent = await startInnocent(scene, pods);
    const found = await attackBeside(scene, pods, points, innocent);
    await scene.pods.exec({ jobId: innocent.jobId, podAttempt: 1 }, ['/.c2d/busybox', 'touch', goFile]);
    return { ...found, innocent: await awaitEnd(scene, innocent.jobId) };
  } finally {
    await points.close();
  }
};

interface Innocent {
  readonly jobId: string;
  readonly marker: string;
  readonly pod: V1Pod;
}

/** Starts it and waits until it serves its page. */
const startInnocent = async (scene: Scene, { kubeconfig, namespace }: ClusterPlace): Promise<Innocent> => {
  const { core } = openClients({ kubeconfig });
  const marker = `marker-${randomBytes(8).toString('hex')}`;
  const { jobId } = await startRawJob(scene, { code: innocentCode(marker) });
  const ref = { jobId, podAttempt: 1 };
  await eventually('the innocent job serves', async () => {
    return (await scene.pods.exec(ref, ['/.c2d/busybox', 'test', '-s', `/data/outputs/${marker}`])) === 0 || undefined;
  });
  // an algorithm may serve before its kubelet has said under which ids the containers run
  const pod = await eventually('the kubelet has told of both containers', async () => {
    const found = await core.readNamespacedPod({ namespace, name: podName(ref) });
    const known = found.status?.containerStatuses?.filter(({ containerID }) => containerID !== undefined && containerID !== '') ?? [];
    return known.length === 2 && found.status?.podIP !== undefined ? found : undefined;
  });
  return { jobId, marker, pod };
};

const attackBeside = async (
  scene: Scene,
  place: ClusterPlace,
  points: VantagePoints,
  { jobId, marker, pod }: Innocent,
): Promise<Omit<Escapes, 'innocent'>> => {
  const { machine, node } = points.targets;
  const url = agentVariable(pod, 'C2D_GATEWAY');
  const token = agentVariable(pod, 'C2D_TOKEN');
  const [gatewayPort, canaryPort] = [Number(new URL(url).port), await canaryPortOf(url, token)];
  const [listener, echo] = await Promise.all([startListener(machine), startEcho(machine, gatewayPort)]);
  try {
    const others = {
      machinePort: listener.port,
      gatewayPort,
      canaryPort,
      marker,
      otherJob: pod.status?.podIP ?? '',
      otherPort: innocentPort,
    };
    const targets: ClusterTargets = { ...points.targets, ...others };
    const requests = gatewayAttacks({ url, otherJob: jobId, ...(await makeTokens(scene, jobId)) });
    const hostile = await runHostile(scene, clusterAttackProgram(targets, ['neighbour', 'node'], requests));
    const sealed = outcomesOf(hostile);
    const processes = { agent: processOf(pod, 'agent'), algorithm: processOf(pod, 'algorithm') };
    const scan = scanFor([
      ...portsOfThisMachine(machine).map((port) => [machine, port] as const),
      ...points.nodePorts.map((port) => [node, port] as const),
    ]);
    const further = { ingress: `return asks('http://' + t.otherJob + ':' + t.otherPort + '/')`, token: withToken(url, token), scan };
    const neighbour = await points.attack('neighbour', clusterAttackProgram(targets, ['neighbour'], further));
    return {
      ...{ hostile, marker, pod, sealed },
      gateway: Object.fromEntries(Object.keys(requests).map((name) => [name, sealed[name]!])),
      open: { neighbour, node: await points.attack('node', clusterAttackProgram(targets, ['node'])) },
      withRightToken: neighbour['token']!,
      neighbourReachesInnocent: neighbour['ingress']!,
      scannedFromAgent: await scanFromNetworkOf(processes.agent, scan),
      scannedFromNeighbour: JSON.parse(neighbour['scan']!.detail) as string[],
      ...{ gatewayAddress: `${machine}:${gatewayPort}`, canaryAddress: `${machine}:${canaryPort}` },
      processes: { agent: statusOf(processes.agent), algorithm: statusOf(processes.algorithm) },
      forbiddenPods: await askForForbiddenPods(
        path.join(scene.stack.folder, 'orchestrator.kubeconfig'),
        place.namespace,
        scene.stack.nodeImage,
      ),
    };
  } finally {
    echo.close();
    await listener.close();
  }
};

const agentVariable = ({ spec }: V1Pod, name: string): string =>
  spec?.containers.find((container) => container.name === 'agent')?.env?.find((variable) => variable.name === name)?.value ?? '';

const canaryPortOf = async (url: string, token: string): Promise<number> => {
  const answer = await fetch(`${url}/agent/v1/plan`, { headers: { authorization: `Bearer ${token}` } });
  const { seal } = (await answer.json()) as { seal: { port: number } };
  return seal.port;
};

/** Rightly signed tokens that no pod has: for an attempt that there is not, and for a job that is over. */
const makeTokens = async (
  scene: Scene,
  jobId: string,
): Promise<{ readonly tokenOfNoAttempt: string; readonly tokenOfEndedJob: string }> => {
  const { encryptionKeys } = await readServiceKeys(scene.stack.folder);
  const tokens: PodTokens = createPodTokens(createKeyring(keyringText.parse(encryptionKeys)));
  const ended = await runRawJob(scene, { code: 'console.log(1)' });
  return {
    tokenOfNoAttempt: tokens.tokenOf({ jobId, podAttempt: 2 }),
    tokenOfEndedJob: tokens.tokenOf({ jobId: ended.job.jobId, podAttempt: 1 }),
  };
};

const runHostile = async (scene: Scene, code: string): Promise<EndedJob> => {
  const dataset = await publishDataset(scene, { contents: ['the data'] });
  return runRawJob(scene, { code, datasets: [dataset], envs: { HOST_PORTS: '[]' } });
};

const outcomesOf = ({ job, results, log }: EndedJob): Outcomes => {
  const text = results.get('outcomes.json');
  if (text === undefined) throw new Error(`the hostile job ended with ${job.status} ${job.terminationDetails?.reason}\n${log}`);
  return JSON.parse(text.toString()) as Outcomes;
};

const processOf = ({ status }: V1Pod, container: string): number =>
  mainProcessOf(status?.containerStatuses?.find(({ name }) => name === container)?.containerID ?? '');

const statusOf = (pid: number): ProcessStatus =>
  Object.fromEntries(
    [...readFileSync(`/proc/${pid}/status`, 'utf8').matchAll(/^(\w+):\s+(\S+)/gm)].map(([, name = '', value = '']) => [name, value]),
  );
