import { obstructStorage } from '../support/storage.ts';
import { awaitEnd, awaitJob, publishDataset, startRawJob } from '../support/jobs.ts';
import { useScene } from '../support/scene.ts';
import { holding, stalling } from '../support/sources.ts';

const scene = useScene();
const jobPatienceMs = 150_000;

const stop = (jobId: string) => scene().consumer.computeStop({ jobId });

/** Writes an output, says so, and stays until it is told to end. */
const untilTold = `
  require('node:fs').writeFileSync('/data/outputs/partial', 'half');
  process.on('SIGTERM', () => { console.log('told'); process.exit(5); });
  console.log('began'); setInterval(() => {}, 1_000);`;

/** Resolves when the algorithm has said that it began. */
const hasBegun = async (jobId: string): Promise<void> => {
  await awaitJob(scene(), jobId, ({ status }) => status === 40);
  await new Promise<void>((resolve, reject) => {
    let seen = '';
    const onPiece = (text: string): void => void ((seen += text).includes('began') && resolve());
    scene()
      .consumer.computeStreamableLogs(jobId, onPiece)
      .then(() => reject(new Error(`the log ended with ${seen}`)), reject);
  });
};

describe('a stop', () => {
  test(
    'ends a job that waits for a place, and the next one in the queue gets the place of one that runs (complaint: queued jobs cannot be stopped)',
    async () => {
      const job = { environment: 'single', code: untilTold, queueMaxWaitTime: 300 };
      const { jobId: running } = await startRawJob(scene(), job);
      await hasBegun(running);
      const { jobId: first } = await startRawJob(scene(), job);
      const { jobId: second } = await startRawJob(scene(), { ...job, code: `console.log('mine at last')` });
      const queued = await Promise.all(
        [first, second].map((jobId) => awaitJob(scene(), jobId, ({ dateFinished }) => dateFinished === null)),
      );
      expect(queued.map(({ status }) => status)).toEqual([1, 1]);

      const [asked] = await stop(first);
      expect(asked).toMatchObject({ jobId: first, stopRequested: true });
      const stopped = await awaitEnd(scene(), first);
      expect(stopped.job).toMatchObject({ status: 80, terminationDetails: { exitCode: null, OOMKilled: false }, results: [] });
      // nobody's place was given away meanwhile
      expect((await awaitJob(scene(), second, () => true)).status).toBe(1);

      await stop(running);
      const [told, served] = await Promise.all([running, second].map((jobId) => awaitEnd(scene(), jobId)));
      expect(told!.job).toMatchObject({ status: 80, terminationDetails: { exitCode: 5, OOMKilled: false } });
      expect(told!.results.get('partial')!.toString()).toBe('half');
      expect(told!.log).toBe('began\ntold\n');
      expect([served!.job.status, served!.log]).toEqual([70, 'mine at last\n']);
    },
    jobPatienceMs,
  );

  test(
    'ends a job whose inputs are still on their way, at once (complaint: a slow download stops every stop)',
    async () => {
      const dataset = await publishDataset(scene(), { contents: [stalling()] });
      const { jobId } = await startRawJob(scene(), { environment: 'tiny', code: untilTold, datasets: [dataset] });
      await awaitJob(scene(), jobId, ({ status }) => status === 30);
      await stop(jobId);
      const { job } = await awaitEnd(scene(), jobId);
      expect(job).toMatchObject({
        status: 80,
        terminationDetails: { exitCode: null, OOMKilled: false },
        algoStartTimestamp: '0',
        results: [],
      });
    },
    jobPatienceMs,
  );

  test(
    'kills an algorithm that does not listen after the grace period, and publishes what it wrote',
    async () => {
      const deaf = `
        require('node:fs').writeFileSync('/data/outputs/partial', 'half');
        process.on('SIGTERM', () => console.log('no')); console.log('began'); setInterval(() => {}, 1_000);`;
      const { jobId } = await startRawJob(scene(), { environment: 'brief', code: deaf });
      await hasBegun(jobId);
      await stop(jobId);
      const { job, results, log } = await awaitEnd(scene(), jobId);
      expect(job).toMatchObject({ status: 80, terminationDetails: { exitCode: 137, OOMKilled: false, reason: 'stopped by the consumer' } });
      expect(results.get('partial')!.toString()).toBe('half');
      expect(log).toBe('began\nno\n');
    },
    jobPatienceMs,
  );

  test(
    'while results are being published loses none of them, and is not asked for twice in vain',
    async () => {
      const source = holding('the data');
      const dataset = await publishDataset(scene(), { contents: [source.handle] });
      const code = `require('node:fs').writeFileSync('/data/outputs/whole', 'all of it'); console.log('done'); process.exit(4);`;
      const { jobId } = await startRawJob(scene(), { environment: 'tiny', code, datasets: [dataset] });
      const obstacle = await obstructStorage(scene(), jobId);
      source.release();
      await awaitJob(scene(), jobId, ({ status, statusReason }) => status === 60 && /not a folder/.test(statusReason ?? ''));

      // answered while the storage is still away
      for (let times = 0; times < 2; times += 1) {
        const [asked] = await stop(jobId);
        expect(asked).toMatchObject({ status: 60, stopRequested: true, dateFinished: null, results: [] });
      }
      await obstacle.remove();
      const { job, results, log } = await awaitEnd(scene(), jobId);
      expect(job).toMatchObject({ status: 80, terminationDetails: { exitCode: 4, OOMKilled: false, reason: 'stopped by the consumer' } });
      expect(results.get('whole')!.toString()).toBe('all of it');
      expect(log).toBe('done\n');
    },
    jobPatienceMs,
  );
});
