import { setTimeout as delay } from 'node:timers/promises';
import { awaitEnd, awaitJob, startRawJob } from '../support/jobs.ts';
import { useScene } from '../support/scene.ts';

const started: { who: Name; jobId: string }[] = [];

// a test that fails leaves the one place to the next; before the scene looks for what is left
afterEach(async () => {
  for (const { who, jobId } of started.splice(0)) {
    await stop(who, jobId);
    await awaitEnd(seenBy(who), jobId);
  }
}, 60_000);

const scene = useScene();
const jobPatienceMs = 150_000;

/** Runs until it is stopped. */
const untilTold = `process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1_000);`;

type Name = 'consumer' | 'publisher';

/** Nobody else is shown a job. */
const seenBy = (who: Name) => ({ ...scene(), consumer: scene()[who] });
const ownerOf = (jobId: string): Name => started.find((job) => job.jobId === jobId)?.who ?? 'consumer';
const endOf = (jobId: string) => awaitEnd(seenBy(ownerOf(jobId)), jobId);

/** Starts a job in the environment with one place, for one of two consumers; it is accepted when this resolves. */
const startInLine = async (who: Name, over: { code?: string; queueMaxWaitTime?: number } = {}): Promise<string> => {
  const job = { environment: 'line', code: untilTold, queueMaxWaitTime: 300, ...over };
  const { jobId } = await startRawJob(seenBy(who), job);
  started.push({ who, jobId });
  // on a busy machine the verdict may take longer than an answer waits for it
  while ((await scene()[who].computeStatus({ jobId })).length === 0) await delay(50);
  return jobId;
};
const stop = (who: Name, jobId: string) => scene()[who].computeStop({ jobId });

const reads = (jobId: string, reason: string) =>
  awaitJob(seenBy(ownerOf(jobId)), jobId, ({ status, statusReason }) => status === 1 && statusReason === reason);
const runs = (jobId: string) => awaitJob(seenBy(ownerOf(jobId)), jobId, ({ status }) => status === 40);

describe('the queue of an environment', () => {
  test(
    'tells everybody the turn, gives consumers turns in turn, and closes up when somebody stops',
    async () => {
      const first = await startInLine('consumer');
      await runs(first);
      const second = await startInLine('consumer');
      await reads(second, 'queued: next');
      const third = await startInLine('consumer');
      const fourth = await startInLine('consumer');
      await reads(fourth, 'queued: 2 jobs ahead');
      const others = await startInLine('publisher');
      // came last, and goes before the further jobs of a consumer who will have been served by then
      await reads(others, 'queued: 1 job ahead');
      await reads(third, 'queued: 2 jobs ahead');
      await reads(fourth, 'queued: 3 jobs ahead');

      await stop('consumer', third);
      const { job } = await endOf(third);
      expect(job).toMatchObject({ status: 80, terminationDetails: { exitCode: null }, algoStartTimestamp: '0', queueMaxWaitTime: 300 });
      await reads(fourth, 'queued: 2 jobs ahead');
      const environment = (await scene().consumer.environments()).find(({ id }) => id === 'line');
      expect(environment).toMatchObject({ runningfreeJobs: 1, queuedFreeJobs: 3 });

      for (const [who, running, next] of [
        ['consumer', first, second],
        ['consumer', second, others],
        ['publisher', others, fourth],
      ] as const) {
        await stop(who, running);
        await runs(next);
      }
      await stop('consumer', fourth);
      await endOf(fourth);
    },
    jobPatienceMs,
  );

  test(
    'is left after the longest wait that was asked for, with a reason that says what to do',
    async () => {
      const running = await startInLine('consumer');
      await runs(running);
      const late = await startInLine('publisher', { queueMaxWaitTime: 15 });
      const waiting = await startInLine('publisher', { code: `console.log('mine')` });
      await reads(waiting, 'queued: 1 job ahead');
      const { job } = await endOf(late);
      expect(job).toMatchObject({
        status: 2,
        terminationDetails: {
          reason: expect.stringMatching(/^no place of environment line became free within 15 s; try again later or/) as string,
        },
      });
      await reads(waiting, 'queued: next');
      await stop('consumer', running);
      expect((await endOf(waiting)).log).toBe('mine\n');
    },
    jobPatienceMs,
  );

  test(
    'refuses at once who may not wait when the place is taken',
    async () => {
      const running = await startInLine('consumer');
      await runs(running);
      await expect(startInLine('publisher', { queueMaxWaitTime: 0 })).rejects.toThrow(/all 1 places of environment line are taken/);
      await stop('consumer', running);
      await endOf(running);
    },
    jobPatienceMs,
  );
});
