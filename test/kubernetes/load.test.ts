import type { V1Pod } from '@kubernetes/client-node';
import { publishDataset } from '../support/jobs.ts';
import { awaitAllEnds, expectAllWhole, expectNothingLeft, startMany } from '../support/manyJobs.ts';
import { useOwnStack } from '../support/ownStack.ts';
import { recordPods } from '../support/podRecord.ts';
import { readPodAttempts } from '../support/traces.ts';

const patienceMs = 420_000;
const count = 50;
const maxJobs = 8;
const mebibyte = 1024 ** 2;
const input = 'what the dataset holds '.repeat(1_000);
const environment = 'small';

const own = useOwnStack({
  environments: [
    {
      id: environment,
      resources: {
        cpu: { min: 0.05, max: 0.15, total: 4 },
        ram: { min: 0.0625, max: 0.125, total: 4 },
        disk: { min: 0.0625, max: 0.125, total: 10 },
      },
      free: { maxJobs, maxJobDuration: 240 },
    },
  ],
});

/** Not all jobs ask for the same. */
const amountsOf = (index: number) =>
  index % 2 === 0
    ? { millicores: 100, memoryMebibytes: 64, diskMebibytes: 64 }
    : { millicores: 150, memoryMebibytes: 96, diskMebibytes: 128 };

const resourcesOf = (index: number) => {
  const { millicores, memoryMebibytes, diskMebibytes } = amountsOf(index);
  return [
    { id: 'cpu', amount: millicores / 1_000 },
    { id: 'ram', amount: memoryMebibytes / 1_024 },
    { id: 'disk', amount: diskMebibytes / 1_024 },
  ];
};

const expectLimits = (pod: V1Pod, index: number): void => {
  const { millicores, memoryMebibytes, diskMebibytes } = amountsOf(index);
  const algorithm = pod.spec?.containers.find(({ name }) => name === 'algorithm');
  expect(algorithm?.resources?.limits).toEqual({
    cpu: `${millicores}m`,
    memory: String(memoryMebibytes * mebibyte),
    'ephemeral-storage': String(diskMebibytes * mebibyte),
  });
};

test(
  'fifty jobs at once end well, with never more pods than places, and each pod as large as asked for (complaint: trouble at many jobs at once)',
  async () => {
    const { scene, parts } = own();
    if (parts.pods.kind !== 'kubernetes') throw new Error('the stack has no cluster');
    const dataset = await publishDataset(scene, { contents: [input] });
    const record = await recordPods(parts.pods);
    try {
      const startedAt = performance.now();
      const jobs = await startMany(scene, { count, atOnce: count }, (index) => ({
        ...{ environment, dataset, queueMaxWaitTime: 600 },
        resources: resourcesOf(index),
      }));
      const acceptedAt = performance.now();
      await awaitAllEnds(scene, jobs, patienceMs);
      const seconds = (performance.now() - startedAt) / 1_000;
      await expectAllWhole(scene, jobs, input);
      await expectNothingLeft(scene, environment, jobs);

      const ids = jobs.map(({ jobId }) => jobId);
      expect(await readPodAttempts(scene, ids)).toEqual(ids.map(() => 1));
      const most = record.mostAtOnce(new Set(ids));
      // the queue uses what the environment has, and no more
      expect(most).toBe(maxJobs);
      ids.forEach((jobId, index) => {
        const pods = record.podsOf(jobId);
        expect([jobId, pods.length]).toEqual([jobId, 1]);
        for (const pod of pods) expectLimits(pod, index);
      });
      const accepted = ((acceptedAt - startedAt) / 1_000).toFixed(1);
      process.stdout.write(
        `load: ${count} jobs accepted after ${accepted} s, ended after ${seconds.toFixed(1)} s (${((count * 60) / seconds).toFixed(0)} a minute), at most ${most} pods at once\n`,
      );
    } finally {
      await record.close();
    }
  },
  patienceMs + 120_000,
);
