import type { OverdueJob } from '../../activities/expireJobs.ts';
import { ensureRetention } from '../../workers/orchestrator/schedule.ts';
import { aJobId } from '../support/builders.ts';
import { recordHistory } from '../support/historyRecorder.ts';
import { useWorkflowServer } from '../support/workflowServer.ts';

const server = useWorkflowServer();

const manyIds = (count: number): readonly OverdueJob[] =>
  Array.from({ length: count }, (_none, n) => ({ jobId: String(n).padStart(32, '0'), store: 'default', expiresAt: '2027-01-01' }));

describe('a round of retention', () => {
  test('goes through all expired jobs, batch by batch, each once', async () => {
    const { client, taskQueue, world } = server();
    world.expired = manyIds(250);
    const handle = await client.workflow.start('expireJobs', { workflowId: `retention-${aJobId()}`, taskQueue, args: [] });
    expect(await handle.result()).toEqual({ expired: 250, failed: 0 });
    expect(world.filesRemoved).toEqual(world.expired.map(({ jobId }) => jobId));
    await recordHistory('resultsExpired', handle);
  });

  test('is run by a schedule, however many processes make it', async () => {
    const { client, taskQueue, world } = server();
    world.expired = manyIds(1);
    const times = { everySeconds: 3_600, taskQueue };
    const schedule = client.schedule.getHandle('c2d-retention');
    try {
      await Promise.all([ensureRetention(client, times), ensureRetention(client, times)]);
      await schedule.trigger();
      while (world.filesRemoved.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      expect((await schedule.describe()).spec.intervals?.map(({ every }) => every)).toEqual([3_600_000]);
    } finally {
      await schedule.delete();
    }
  });
});
