import type { PublishedAsset } from '../../infra/toolchain/demo/clientTypes.ts';
import { status } from '../../workflows/contract/status.ts';
import {
  awaitEndOf,
  awaitStatus,
  awaitWaiting,
  eventually,
  expectWhole,
  letRun,
  readJob,
  startHeldJob,
  type StartedJob,
} from '../support/heldJobs.ts';
import { publishDataset } from '../support/jobs.ts';
import { useOwnCluster } from '../support/ownCluster.ts';
import { useOwnStack } from '../support/ownStack.ts';
import { isWatching } from '../support/testCluster.ts';
import { readFault, readPodAttempts } from '../support/traces.ts';

const patienceMs = 300_000;
const input = 'what the dataset holds '.repeat(1_000);
const resources = {
  cpu: { min: 0.05, max: 0.1, total: 4 },
  ram: { min: 0.0625, max: 0.125, total: 4 },
  disk: { min: 0.0625, max: 0.0625, total: 10 },
};
const environments = [{ id: 'small', resources, free: { maxJobs: 20, maxJobDuration: 240 } }];

const cluster = useOwnCluster('outages');

const title = isWatching ? 'with the watch' : 'without the watch';

describe(`an outage of the cluster, ${title},`, () => {
  const own = useOwnStack(async () => ({
    cluster: cluster(),
    environments,
    env: { C2D_AGENT_HEARTBEAT_SECONDS: '1', C2D_SILENCE_SECONDS: '6' },
  }));
  let dataset: PublishedAsset;

  beforeAll(async () => {
    dataset = await publishDataset(own().scene, { contents: [input] });
  });

  const tell = (what: string, since: number): void => {
    process.stdout.write(`outages, ${title}: ${what} after ${((performance.now() - since) / 1_000).toFixed(2)} s\n`);
  };

  const start = (over: { readonly waits?: boolean } = {}): Promise<StartedJob> =>
    startHeldJob(own().scene, { environment: 'small', dataset, queueMaxWaitTime: 240, ...over });

  /** Starts a job whose algorithm waits, and resolves when it does. */
  const startWaiting = async (): Promise<StartedJob> => {
    const job = await start({ waits: true });
    await awaitStatus(own().scene, job, status.running);
    await awaitWaiting(own().scene, job);
    return job;
  };

  const attemptsOf = ({ jobId }: StartedJob): Promise<readonly number[]> => readPodAttempts(own().scene, [jobId]);

  /** A job of this test whose reason matches. */
  const findReason = async (reason: RegExp): Promise<true | undefined> => {
    for (const jobId of own().scene.jobs) if (reason.test((await readJob(own().scene, { jobId })).statusReason ?? '')) return true;
    return undefined;
  };

  // first of all: a control plane that has just been away takes a while to judge nodes again
  test(
    'a node that is gone: the job is lost there, says what it waits for, and runs again once there is a node',
    async () => {
      const job = await startWaiting();
      const pod = { jobId: job.jobId, podAttempt: 1 };
      await cluster().kubelet.kill();
      try {
        await own().scene.pods.killMainProcesses([pod], 'algorithm');
        await own().scene.pods.killMainProcesses([pod], 'agent');
        const since = performance.now();
        await eventually('the loss is told', () => findReason(/does not answer.* runs again in another pod/));
        tell('a node that is gone is known', since);
        expect(performance.now() - since).toBeLessThan(20_000);
        await eventually('a second pod is asked for', async () => (await attemptsOf(job))[0] === 2 || undefined);
        await eventually('the job says what it waits for', () => findReason(/waiting for a node/));
      } finally {
        await cluster().kubelet.start();
      }
      await letRun(own().scene, job, 2);
      await expectWhole(own().scene, job, input);
    },
    patienceMs,
  );

  const outages: Readonly<Record<string, () => Promise<void>>> = {
    'the API server is killed and comes back': async () => {
      await cluster().apiServer.kill();
      await cluster().apiServer.start();
    },
    'etcd is killed and comes back': async () => {
      await cluster().etcd.kill();
      await cluster().etcd.start();
    },
    'containerd is restarted': () => cluster().containerd.restart(),
  };

  test.each(Object.keys(outages))(
    '%s: a job that runs does not notice, and one that starts meanwhile waits',
    async (name) => {
      const running = await startWaiting();
      const outage = outages[name]!();
      const meanwhile = await start();
      await outage;
      await letRun(own().scene, running);
      await Promise.all([running, meanwhile].map((job) => expectWhole(own().scene, job, input)));
      expect([await attemptsOf(running), await attemptsOf(meanwhile)]).toEqual([[1], [1]]);
    },
    patienceMs,
  );

  test(
    'the API server is away: a job says so, and goes on when it is back',
    async () => {
      await cluster().apiServer.stop();
      const since = performance.now();
      const job = await start();
      try {
        await eventually('the job says what it waits for', () => findReason(/cluster cannot be reached/));
        tell('an API server that is away is told', since);
      } finally {
        await cluster().apiServer.start();
      }
      await expectWhole(own().scene, job, input);
    },
    patienceMs,
  );

  test(
    'a kubelet that is away for a moment: the job ends well',
    async () => {
      const job = await startWaiting();
      await cluster().kubelet.restart();
      await letRun(own().scene, job, (await attemptsOf(job))[0] ?? 1);
      await expectWhole(own().scene, job, input);
      expect(await attemptsOf(job)).toEqual([1]);
    },
    patienceMs,
  );

  test(
    'policies that are not enforced: the algorithm does not start, and the operator is told',
    async () => {
      await cluster().setPolicyEnforcement(false);
      try {
        const since = performance.now();
        const job = await start();
        const ended = await awaitEndOf(own().scene, job);
        tell('a pod that is not sealed is known', since);
        expect([ended.status, await readFault(own().scene, job.jobId), ended.algoStartTimestamp]).toEqual([
          status.containerFailed,
          'operator',
          '0',
        ]);
        expect(ended.terminationDetails?.reason).toMatch(/isolat|sealed|reach/);
      } finally {
        await cluster().setPolicyEnforcement(true);
      }
    },
    patienceMs,
  );
});
