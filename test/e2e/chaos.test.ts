import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { PublishedAsset } from '../../infra/toolchain/demo/clientTypes.ts';
import type { Restartable } from '../../infra/toolchain/restartable.ts';
import { status } from '../../workflows/contract/status.ts';
import { createCaller, send } from '../support/callers.ts';
import {
  awaitEndOf,
  awaitStatus,
  awaitWaiting,
  eventually,
  expectAway,
  expectWhole,
  holdFile,
  letRun,
  readJob,
  signStart,
  startHeldJob,
  withPatience,
  type StartedJob,
} from '../support/heldJobs.ts';
import { publishDataset } from '../support/jobs.ts';
import { useOwnStack } from '../support/ownStack.ts';
import { readPodAttempts } from '../support/traces.ts';

const own = useOwnStack({
  // one place: a second job of `narrow` has to queue
  environments: [
    { id: 'wide', free: { maxJobs: 20 } },
    { id: 'narrow', free: { maxJobs: 1 }, maxQueueTime: 300 },
  ],
  // small parts make publishing last long enough to be hit
  env: { C2D_AGENT_HEARTBEAT_SECONDS: '1', C2D_SILENCE_SECONDS: '5', C2D_UPLOAD_PART_BYTES: String(64 * 1024) },
});

const roundPatienceMs = 240_000;
const publishedBlockBytes = 12 * 1024 ** 2;
const input = 'what the dataset holds '.repeat(1_000);

const held = holdFile(input);
let quickDataset: PublishedAsset;
let heldDataset: PublishedAsset;

beforeAll(async () => {
  const { scene } = own();
  held.letGo();
  quickDataset = await publishDataset(scene, { contents: [input] });
  const url = scene.files.serve(held.handler);
  heldDataset = await scene.publisher.publishAsset({
    kind: 'dataset',
    name: 'a dataset from a slow server',
    files: [{ type: 'url', url, method: 'GET' }],
    compute: {
      allowRawAlgorithm: true,
      allowNetworkAccess: false,
      publisherTrustedAlgorithmPublishers: [],
      publisherTrustedAlgorithms: [],
    },
  });
}, 120_000);

/** One job in every phase. */
interface Phases {
  readonly queued: StartedJob;
  readonly staging: StartedJob;
  readonly running: StartedJob;
  readonly publishing: StartedJob;
}

const hasBegunToPublish = (job: StartedJob): boolean => {
  const folder = path.join(own().parts.storageFolder, job.jobId, '1');
  return existsSync(folder) && readdirSync(folder).length > 0;
};

/** Brings one job into each phase; `publishing` has stored its first bytes when this resolves. */
const occupyPhases = async (): Promise<Phases> => {
  const { scene } = own();
  held.hold();
  const [staging, running, publishing] = await Promise.all([
    startHeldJob(scene, { environment: 'narrow', dataset: heldDataset }),
    startHeldJob(scene, { environment: 'wide', dataset: quickDataset, waits: true }),
    startHeldJob(scene, { environment: 'wide', dataset: quickDataset, waits: true, blockBytes: publishedBlockBytes }),
  ]);
  const queued = await startHeldJob(scene, { environment: 'narrow', dataset: quickDataset, queueMaxWaitTime: 300 });
  await Promise.all([
    withPatience('staging begins', held.asked(), 60_000),
    awaitStatus(scene, running, status.running),
    awaitStatus(scene, publishing, status.running),
  ]);
  expect(await readJob(scene, queued)).toMatchObject({ status: status.queued });
  await letRun(scene, publishing);
  await eventually('publishing begins', async () => hasBegunToPublish(publishing) || undefined);
  return { queued, staging, running, publishing };
};

const podAttemptsOf = (jobs: readonly StartedJob[]): Promise<readonly number[]> =>
  readPodAttempts(
    own().scene,
    jobs.map(({ jobId }) => jobId),
  );

const podOf = ({ jobId }: StartedJob) => ({ jobId, podAttempt: 1 });

/** Which parts a round kills, and what it asserts while they are away. */
interface Round {
  /** kills, and resolves when the killed are dead */
  readonly kill: (phases: Phases) => Promise<void>;
  /** looked at before anything is restarted */
  readonly whileAway?: (phases: Phases) => Promise<void>;
  readonly restart?: () => Promise<void>;
  readonly killsAgents?: boolean;
}

const killProcess = async (part: Restartable): Promise<void> => {
  part.kill('SIGKILL');
  await part.waitForEnd();
};

const killAgents = ({ staging, running, publishing }: Phases): Promise<void> =>
  own().scene.pods.killMainProcesses([staging, running, publishing].map(podOf), 'agent');

/** Lets the algorithms go on that wait again in the second pods of their jobs. */
const letSuccessorsRun = async ({ running, publishing }: Phases): Promise<void> => {
  await Promise.all([running, publishing].map((job) => letRun(own().scene, job, 2)));
};

/** Hits a job in each phase, and one that is being accepted, at once; each must end as if nothing had happened. */
const playRound = async (name: string, { kill, whileAway, restart, killsAgents = false }: Round): Promise<void> => {
  const { scene } = own();
  // where a killed agent stays dead, its job loses the pod with it and goes on in the next
  const losesPods = killsAgents && !scene.pods.agentsComeBack;
  const startedAt = performance.now();
  const phases = await occupyPhases();
  const accepting = startHeldJob(scene, { environment: 'wide', dataset: quickDataset });
  accepting.catch(() => undefined);
  const killedAt = performance.now();
  await kill(phases);
  try {
    // an algorithm that ends while somebody is away
    if (!losesPods) await letRun(scene, phases.running);
    await whileAway?.(phases);
  } finally {
    await restart?.();
  }
  const backAt = performance.now();
  held.letGo();
  if (losesPods) await letSuccessorsRun(phases);
  const jobs = [...Object.values(phases), await accepting] as StartedJob[];
  await Promise.all(jobs.map((job) => expectWhole(scene, job, input)));
  expect(await podAttemptsOf(jobs)).toEqual(losesPods ? [1, 1, 2, 2, 2] : [1, 1, 1, 1, 1]);
  const seconds = (from: number, to: number): string => ((to - from) / 1_000).toFixed(1);
  const times = `away ${seconds(killedAt, backAt)} s, ended ${seconds(backAt, performance.now())} s later, ${seconds(startedAt, performance.now())} s in all`;
  process.stdout.write(`chaos: ${name} killed with 5 jobs: all whole, each ran once (${times})\n`);
};

const requirePostgres = (): Restartable => {
  const { postgres } = own().parts;
  if (postgres === undefined) throw new Error('this test needs a PostgreSQL of its own: unset DATABASE_URL');
  return postgres;
};

const ask = (method: string, place: string, request: Parameters<typeof send>[3] = {}) =>
  withPatience(`${method} ${place}`, send(own().parts.apiUrl, method, place, request));

const signNewStart = (): string => signStart(own().scene, createCaller(), { environment: 'wide', dataset: quickDataset });

const expectNoDatabase = async ({ running }: Phases): Promise<void> => {
  const { jobId, caller } = running;
  expectAway(await ask('GET', '/api/services/compute', { query: { jobId } }));
  expectAway(await ask('GET', '/api/services/compute', { query: { consumerAddress: caller.address } }));
  expectAway(await ask('GET', '/api/services/nonce', { query: { userAddress: caller.address } }));
  const forResult = { jobId, index: '0', ...caller.credentials('getComputeResult') };
  expectAway(await ask('GET', '/api/services/computeResult', { query: forResult }));
  expectAway(await ask('PUT', '/api/services/compute', { query: { jobId, ...caller.credentials('stopCompute') } }));
  expectAway(await ask('POST', '/api/services/freeCompute', { body: signNewStart() }));
};

const expectNoTemporal = async ({ queued }: Phases): Promise<void> => {
  // reads do not depend on it
  expect(await readJob(own().scene, queued)).toMatchObject({ jobId: queued.jobId });
  expectAway(await ask('POST', '/api/services/freeCompute', { body: signNewStart() }));
};

describe('a SIGKILL, with a job in every phase', () => {
  test.each(['api', 'orchestrator', 'gateway'] as const)(
    'of the %s changes nothing about any job (complaint: a restart loses running jobs)',
    async (name) => {
      const part = own().parts.processes[name];
      await playRound(name, { kill: () => killProcess(part), restart: () => part.restart() });
    },
    roundPatienceMs,
  );

  test(
    'of every agent changes nothing about any job (complaint: outputs lost with a sidecar)',
    async () => {
      await playRound('agents', { kill: killAgents, killsAgents: true });
    },
    roundPatienceMs,
  );

  test(
    'of PostgreSQL changes nothing about any job, and clients are told to come again',
    async () => {
      const postgres = requirePostgres();
      await playRound('PostgreSQL', { kill: () => killProcess(postgres), whileAway: expectNoDatabase, restart: () => postgres.restart() });
    },
    roundPatienceMs,
  );

  test(
    'of Temporal changes nothing about any job, and clients are told to come again',
    async () => {
      const { temporal } = own().parts;
      await playRound('Temporal', { kill: () => killProcess(temporal), whileAway: expectNoTemporal, restart: () => temporal.restart() });
    },
    roundPatienceMs,
  );

  test(
    'of all of them at once changes nothing about any job',
    async () => {
      const { processes, temporal } = own().parts;
      const servers = [requirePostgres(), temporal];
      const services = Object.values(processes);
      await playRound('everything', {
        killsAgents: true,
        kill: async (phases) => void (await Promise.all([...[...servers, ...services].map(killProcess), killAgents(phases)])),
        restart: async () => {
          await Promise.all(servers.map((server) => server.restart()));
          await Promise.all(services.map((service) => service.restart()));
        },
      });
    },
    roundPatienceMs,
  );
});

describe('a pod that loses a part', () => {
  test(
    'for good is replaced: the algorithm runs in a second pod, and only that pod counts',
    async () => {
      const { scene } = own();
      const job = await startHeldJob(scene, { environment: 'wide', dataset: quickDataset, waits: true });
      await awaitStatus(scene, job, status.running);
      await scene.pods.removeByForce(podOf(job));
      await eventually('a second pod runs', async () => letRun(scene, job, 2).then(() => true));
      await expectWhole(scene, job, input);
      expect(await podAttemptsOf([job])).toEqual([2]);
      process.stdout.write('chaos: pod removed by hand: ran again in a second pod, all whole\n');
    },
    roundPatienceMs,
  );

  test(
    "to a kill -9 of its algorithm's container ends honestly, with the log and what was written",
    async () => {
      const { scene } = own();
      const job = await startHeldJob(scene, { environment: 'wide', dataset: quickDataset, waits: true });
      await awaitStatus(scene, job, status.running);
      await awaitWaiting(scene, job);
      await scene.pods.killMainProcesses([podOf(job)], 'algorithm');
      const ended = await awaitEndOf(scene, job);
      expect([status.algorithmFailed, status.outOfMemory]).toContain(ended.status);
      expect(ended.terminationDetails).toMatchObject({ exitCode: 137 });
      expect(ended.results.map(({ filename }) => filename)).toEqual(['input', expect.stringMatching(/^starts%2F/), 'algorithm.log']);
      expect(await podAttemptsOf([job])).toEqual([1]);
      process.stdout.write(`chaos: wrapper killed: ended ${ended.status} ${ended.statusText}\n`);
    },
    roundPatienceMs,
  );
});
