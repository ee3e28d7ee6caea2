import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { ensureBusybox } from '../../infra/toolchain/busybox.ts';
import type { ClientJob } from '../../infra/toolchain/demo/clientTypes.ts';
import { podName } from '../../workflows/contract/ids.ts';
import { status } from '../../workflows/contract/status.ts';
import { readPublicJob } from '../support/callers.ts';
import { eventually, letRun } from '../support/heldJobs.ts';
import { aContainer, startRawJob, type RawJob } from '../support/jobs.ts';
import { useOwnStack } from '../support/ownStack.ts';
import { startPodWebhook } from '../support/podWebhook.ts';
import { clusterOfThisRun, isWatching } from '../support/testCluster.ts';
import { startTestRegistry, type TestRegistry } from '../support/testRegistry.ts';
import { readFault, readPodAttempts } from '../support/traces.ts';

const patienceMs = 240_000;
const mebibyte = 1024 ** 2;
const nodeLabel = 'c2d-test/place';
const nothing = '// nothing to do';

const resources = {
  cpu: { min: 0.05, max: 0.05, total: 4 },
  ram: { min: 0.0625, max: 0.125, total: 4 },
  disk: { min: 0.0625, max: 0.0625, total: 10 },
};
const free = { maxJobs: 20, maxJobDuration: 120 };
/** `hasty` gives a pod little time to begin; `pinned` needs a node with a label; `meddled` is changed by a webhook. */
const environments = [
  { id: 'calm', resources, free, limits: { graceSeconds: 2 } },
  { id: 'hasty', resources, free, limits: { createSeconds: 25 } },
  { id: 'pinned', resources, free, kubernetes: { nodeSelector: { [nodeLabel]: 'free' } } },
  { id: 'meddled', resources, free },
];

let core: CoreV1Api;
let config: KubeConfig;
let registry: TestRegistry;
let nodeAddress: string;
let nodeName: string;

/** Gives the node the label, or takes it. */
const labelNode = async (value: string | null): Promise<void> => {
  const { kubectl } = await clusterOfThisRun();
  await kubectl(['label', 'node', nodeName, '--overwrite', value === null ? `${nodeLabel}-` : `${nodeLabel}=${value}`]);
};

beforeAll(async () => {
  const cluster = await clusterOfThisRun();
  ({ nodeAddress } = cluster);
  config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig);
  core = config.makeApiClient(CoreV1Api);
  nodeName = (await core.listNode()).items[0]?.metadata?.name ?? '';
  registry = await startTestRegistry(nodeAddress, (await ensureBusybox()).path);
  await cluster.trustRegistry(registry.host);
  await labelNode('free');
}, patienceMs);

afterAll(async () => {
  await registry?.close();
  await labelNode(null);
});

// how soon a failure must be known: the goal on a machine that does nothing else is two seconds with the watch
const [title, mostSeconds] = isWatching ? (['with the watch', 10] as const) : (['without the watch', 15] as const);

describe(`a failure that only a cluster has, ${title},`, () => {
  const own = useOwnStack({ environments });

  const namespace = (): string => own().parts.instance;

  const start = async (job: RawJob): Promise<string> => (await startRawJob(own().scene, { queueMaxWaitTime: 300, ...job })).jobId;

  /** A job whose image is in the registry. */
  const startFrom = (image: string, over: { environment?: string; checksum?: string; code?: string } = {}): Promise<string> => {
    const { environment = 'calm', code = 'echo served', ...container } = over;
    return start({ environment, code, container: aContainer(`${image}:1`, { entrypoint: 'sh $ALGO', ...container }) });
  };

  const awaitLook = (what: string, jobId: string, isWanted: (job: ClientJob) => boolean): Promise<ClientJob> =>
    eventually(
      what,
      async () => {
        const job = await readPublicJob(own().scene.stack.apiUrl, jobId);
        if (job !== undefined && isWanted(job)) return job;
        throw new Error(`${job?.status} ${job?.statusText}: ${job?.terminationDetails?.reason ?? job?.statusReason}`);
      },
      120_000,
    );

  const awaitEnd = (jobId: string): Promise<ClientJob> =>
    awaitLook(`job ${jobId} ends`, jobId, ({ dateFinished }) => dateFinished !== null);

  const awaitReason = (jobId: string, reason: RegExp): Promise<ClientJob> =>
    awaitLook(`job ${jobId} says ${reason}`, jobId, ({ statusReason }) => reason.test(statusReason ?? ''));

  /** Fails unless what `look` waits for is there soon after what `happening` waits for. */
  const expectPrompt = async <Seen>(what: string, happening: Promise<unknown>, look: Promise<Seen>): Promise<Seen> => {
    look.catch(() => undefined);
    await happening;
    const happenedAt = performance.now();
    const seen = await look;
    const seconds = (performance.now() - happenedAt) / 1_000;
    process.stdout.write(`failures, ${title}: ${what} known after ${seconds.toFixed(2)} s\n`);
    expect(seconds).toBeLessThan(mostSeconds);
    return seen;
  };

  const expectEnd = async (
    jobId: string,
    job: ClientJob,
    wanted: readonly [status: number, fault: string, reason: RegExp],
  ): Promise<void> => {
    expect([job.status, await readFault(own().scene, jobId), job.terminationDetails?.reason]).toEqual([
      wanted[0],
      wanted[1],
      expect.stringMatching(wanted[2]),
    ]);
  };

  const refusedTwice = (image: string): Promise<true> =>
    eventually('the registry is asked', async () => (registry.refusals(image) > 0 ? true : undefined));

  test.each([429, 503])(
    'an image whose registry answers %i for a while: the job says so, waits, and runs (complaint: registry trouble burns retries)',
    async (number) => {
      const image = registry.name({ status: number });
      const jobId = await startFrom(image);
      await expectPrompt(`a registry's ${number}`, refusedTwice(image), awaitReason(jobId, /registry/));
      registry.heal(image);
      const job = await awaitEnd(jobId);
      await expectEnd(jobId, job, [status.finished, 'none', /exit code 0/]);
    },
    patienceMs,
  );

  test(
    'an image whose registry never recovers: the platform gives up after the time that the environment allows (complaint: pulls tried without end)',
    async () => {
      const image = registry.name({ status: 503 });
      const jobId = await startFrom(image, { environment: 'hasty' });
      await expectEnd(jobId, await awaitEnd(jobId), [status.imageFailed, 'platform', /registry does not answer properly/]);
    },
    patienceMs,
  );

  test(
    'an image that does not exist: the consumer is told at once (complaint: a missing image is retried in vain)',
    async () => {
      const image = registry.name({ status: 404 });
      const jobId = await startFrom(image);
      const job = await expectPrompt('an image that does not exist is', refusedTwice(image), awaitEnd(jobId));
      await expectEnd(jobId, job, [status.imageFailed, 'consumer', /does not exist or is not public/]);
    },
    patienceMs,
  );

  test(
    'a digest that the registry does not have: the consumer is told at once',
    async () => {
      const image = registry.name();
      const jobId = await startFrom(image, { checksum: `sha256:${'0'.repeat(64)}` });
      const job = await expectPrompt('a wrong digest is', refusedTwice(image), awaitEnd(jobId));
      await expectEnd(jobId, job, [status.imageFailed, 'consumer', /check image, tag and checksum/]);
    },
    patienceMs,
  );

  test(
    'an image that is not the one of its digest never runs; the true one does',
    async () => {
      const image = registry.name('tampered');
      const checksum = registry.digestOf(image);
      const jobId = await startFrom(image, { environment: 'hasty', checksum });
      const job = await awaitEnd(jobId);
      await expectEnd(jobId, job, [status.imageFailed, 'platform', /could not be pulled/]);
      expect(job.algoStartTimestamp).toBe('0');
      registry.heal(image);
      expect(await awaitEnd(await startFrom(image, { checksum }))).toMatchObject({ status: status.finished });
    },
    patienceMs,
  );

  test(
    'a container that the cluster cannot configure: it is the operator who must act (complaint: the platform blames the user)',
    async () => {
      const webhook = await startPodWebhook({ config, address: nodeAddress, namespace: namespace(), environmentId: 'meddled' });
      try {
        const jobId = await start({ environment: 'meddled', code: nothing });
        const refused = eventually('the kubelet refuses the container', async () => {
          const pod = await core.readNamespacedPod({ namespace: namespace(), name: podName({ jobId, podAttempt: 1 }) });
          const states = pod.status?.containerStatuses?.map(({ state }) => state?.waiting?.reason) ?? [];
          return states.includes('CreateContainerConfigError') || undefined;
        });
        const job = await expectPrompt('CreateContainerConfigError is', refused, awaitEnd(jobId));
        await expectEnd(jobId, job, [status.containerFailed, 'operator', /CreateContainerConfigError/]);
      } finally {
        await webhook.close();
      }
    },
    patienceMs,
  );

  test(
    'no node that takes the pod: the job says what is missing, and runs once there is one',
    async () => {
      await labelNode(null);
      try {
        const jobId = await start({ environment: 'pinned', code: nothing });
        const unschedulable = eventually('the scheduler finds no node', async () => {
          const pod = await core.readNamespacedPod({ namespace: namespace(), name: podName({ jobId, podAttempt: 1 }) });
          return pod.status?.conditions?.some(({ reason }) => reason === 'Unschedulable') || undefined;
        });
        const waiting = await expectPrompt('an unschedulable pod is', unschedulable, awaitReason(jobId, /waiting for a node/));
        expect(waiting).toMatchObject({ status: status.pullingImage, dateFinished: null });
        await labelNode('free');
        await expectEnd(jobId, await awaitEnd(jobId), [status.finished, 'none', /exit code 0/]);
      } finally {
        await labelNode('free');
      }
    },
    patienceMs,
  );

  test(
    'a quota that is used up: the job says so, waits, and runs once there is room',
    async () => {
      const quota = { namespace: namespace(), name: 'used-up' };
      await core.createNamespacedResourceQuota({ ...quota, body: { metadata: { name: quota.name }, spec: { hard: { pods: '0' } } } });
      await eventually('the quota counts', async () => (await core.readNamespacedResourceQuota(quota)).status?.hard?.['pods']);
      const jobId = await start({ environment: 'calm', code: nothing });
      await awaitReason(jobId, /quota for jobs is used up/);
      await core.deleteNamespacedResourceQuota(quota);
      await expectEnd(jobId, await awaitEnd(jobId), [status.finished, 'none', /exit code 0/]);
    },
    patienceMs,
  );

  test(
    'more disk than was granted: the kubelet ends the pod, and the consumer is told why',
    async () => {
      const code = `
        const fs = require('node:fs');
        for (let n = 0; n < 12; n += 1) fs.writeFileSync('/data/outputs/' + n, Buffer.alloc(${16 * mebibyte}, 1));
        setInterval(() => {}, 1_000);`;
      const jobId = await start({ environment: 'calm', code });
      const evicted = eventually('the kubelet evicts the pod', async () => {
        const pod = await core.readNamespacedPod({ namespace: namespace(), name: podName({ jobId, podAttempt: 1 }) });
        return pod.status?.reason === 'Evicted' || undefined;
      });
      const job = await expectPrompt('an eviction for disk is', evicted, awaitEnd(jobId));
      await expectEnd(jobId, job, [status.diskQuotaExceeded, 'consumer', /more disk than it was granted/]);
      expect(await readPodAttempts(own().scene, [jobId])).toEqual([1]);
    },
    patienceMs,
  );

  test(
    'more memory than was granted ends as out of memory',
    async () => {
      const jobId = await start({ environment: 'calm', code: 'const all = []; for (;;) all.push(Buffer.alloc(16 * 1024 ** 2, 1));' });
      await expectEnd(jobId, await awaitEnd(jobId), [status.outOfMemory, 'none', /memory limit/]);
    },
    patienceMs,
  );

  const untilLetGo = `
    const wait = () => (require('node:fs').existsSync('/tmp/go') ? process.exit(0) : setTimeout(wait, 20));
    console.log('began'); wait();`;

  /** Starts a job that runs until it is let go, and resolves when it runs. */
  const startWaiting = async (): Promise<string> => {
    const jobId = await start({ environment: 'calm', code: untilLetGo });
    await awaitLook(`job ${jobId} runs`, jobId, (job) => job.status === status.running);
    return jobId;
  };

  const removals: Readonly<Record<string, (name: string) => Promise<unknown>>> = {
    'deleted by an administrator': (name) => core.deleteNamespacedPod({ namespace: namespace(), name }),
    'deleted by force': (name) => core.deleteNamespacedPod({ namespace: namespace(), name, gracePeriodSeconds: 0 }),
    'evicted because its node is drained': (name) =>
      core.createNamespacedPodEviction({ namespace: namespace(), name, body: { metadata: { name } } }),
  };

  test.each(Object.keys(removals))(
    'a pod that is %s: the job runs again in another one',
    async (how) => {
      const jobId = await startWaiting();
      const name = podName({ jobId, podAttempt: 1 });
      // the reason stays until there is another pod, which may be at once
      const known = awaitLook(
        `job ${jobId} says that its pod is lost`,
        jobId,
        ({ status: now, statusReason }) => /runs again in another pod/.test(statusReason ?? '') || now < status.running,
      );
      await expectPrompt(`a pod ${how} is`, removals[how]!(name), known);
      await letRun(own().scene, { jobId }, 2);
      await expectEnd(jobId, await awaitEnd(jobId), [status.finished, 'none', /exit code 0/]);
      expect(await readPodAttempts(own().scene, [jobId])).toEqual([2]);
    },
    patienceMs,
  );
});
