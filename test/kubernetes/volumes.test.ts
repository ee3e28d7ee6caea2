/** Jobs whose disk is a volume of a storage class, and what a job asks of the API server. */

import type { PublishedAsset } from '../../infra/toolchain/demo/clientTypes.ts';
import { awaitEndOf, awaitWaiting, eventually, expectWhole, letRun, startHeldJob } from '../support/heldJobs.ts';
import { publishDataset } from '../support/jobs.ts';
import { useOwnStack } from '../support/ownStack.ts';
import { podRequestsOf } from '../support/podRequests.ts';
import { clusterOfThisRun } from '../support/testCluster.ts';

const patienceMs = 180_000;
const input = 'what the dataset holds '.repeat(1_000);
const resources = {
  cpu: { min: 0.1, max: 0.5, total: 4 },
  ram: { min: 0.0625, max: 0.125, total: 4 },
  disk: { min: 0.03125, max: 0.0625, total: 4 },
};

const own = useOwnStack({
  environments: [
    { id: 'node-disk', resources, free: {} },
    { id: 'volume', resources, free: {}, kubernetes: { volumeFrom: 0.0625, storageClassName: 'local' } },
  ],
});

let dataset: PublishedAsset;
beforeAll(async () => {
  dataset = await publishDataset(own().scene, { contents: [input] });
}, patienceMs);

const kubectl = async (...args: string[]): Promise<string> => (await clusterOfThisRun()).kubectl(args);
const placeOf = () => {
  const { pods } = own().scene.stack;
  if (pods.kind !== 'kubernetes') throw new Error('these tests need a cluster');
  return pods;
};
const claims = async (): Promise<readonly { status: { phase: string }; spec: { storageClassName: string; volumeName: string } }[]> =>
  (JSON.parse(await kubectl('-n', placeOf().namespace, 'get', 'persistentvolumeclaims', '-o', 'json')) as { items: never[] }).items;

describe('the disk of a job', () => {
  test(
    'is volumes of a storage class from a size on, which go with the pod and everything in them',
    async () => {
      const job = await startHeldJob(own().scene, {
        ...{ environment: 'volume', dataset, waits: true },
        resources: [{ id: 'disk', amount: 0.0625 }],
      });
      await awaitWaiting(own().scene, job);
      const held = await claims();
      expect(held.map(({ status, spec }) => [status.phase, spec.storageClassName])).toEqual([
        ['Bound', 'local'],
        ['Bound', 'local'],
      ]);
      await letRun(own().scene, job);
      await expectWhole(own().scene, job, input);
      await eventually('the volumes are gone', async () => {
        const volumes = await kubectl('get', 'persistentvolumes', '-o', 'name');
        const isLeft = (await claims()).length > 0 || held.some(({ spec }) => volumes.includes(spec.volumeName));
        return isLeft ? undefined : true;
      });
    },
    patienceMs,
  );

  test(
    'is the own disk of the node below that size',
    async () => {
      const job = await startHeldJob(own().scene, { environment: 'volume', dataset, waits: true });
      await awaitWaiting(own().scene, job);
      expect(await claims()).toEqual([]);
      await letRun(own().scene, job);
      await expectWhole(own().scene, job, input);
    },
    patienceMs,
  );
});

describe('the API server', () => {
  test(
    'is asked to write twice for a job: its pod comes and goes',
    async () => {
      const job = await startHeldJob(own().scene, { environment: 'node-disk', dataset });
      await awaitEndOf(own().scene, job);
      const requests = await eventually('the pod is removed', async () => {
        const seen = await podRequestsOf(placeOf(), { jobId: job.jobId, podAttempt: 1 });
        return seen.includes('delete') ? seen : undefined;
      });
      expect(requests.filter((verb) => !['get', 'list', 'watch'].includes(verb))).toEqual(['create', 'delete']);
    },
    patienceMs,
  );
});
