import Docker from 'dockerode';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { readManifest } from '../support/asOwner.ts';
import { awaitEnd, awaitJob, publishDataset, runRawJob, startRawJob } from '../support/jobs.ts';
import { useScene } from '../support/scene.ts';
import { dumpLedger, readFault } from '../support/traces.ts';

const scene = useScene();
const jobPatienceMs = 150_000;

const secret = 'only the filter may see this';

const writing = (ask: string): string => `
  const fs = require('node:fs');
  for (const [name, content] of Object.entries({ a: 'fine', b: ${JSON.stringify(secret)}, ask: ${JSON.stringify(ask)} })) fs.writeFileSync('/data/outputs/' + name, content);`;

const reasonOf = (what: string): string => `the outputs are withheld ${what}`;

/** Everything that the service keeps of a job, as text. */
const storedFor = async (jobId: string): Promise<string> => {
  const files = await readdir(scene().stack.storageFolder, { recursive: true, withFileTypes: true });
  const own = files.filter((file) => file.isFile() && path.join(file.parentPath, file.name).includes(jobId));
  const contents = await Promise.all(own.map((file) => readFile(path.join(file.parentPath, file.name), 'latin1')));
  return [...contents, ...(await dumpLedger(scene().stack.databaseUrl)).filter((row) => row.includes(jobId))].join('\n');
};

describe('a filter of an environment', () => {
  test(
    'lets outputs go, without what it has removed, and sees the inputs as well',
    async () => {
      const dataset = await publishDataset(scene());
      const run = (ask: string) => runRawJob(scene(), { environment: 'filtered', code: writing(ask), datasets: [dataset] });
      const [all, less] = await Promise.all([run('pass'), run('remove')]);
      expect([all.job.status, [...all.results.keys()], all.results.get('b')?.toString()]).toEqual([
        70,
        ['a', 'b', 'algorithm.log'],
        secret,
      ]);
      expect([less.job.status, [...less.results.keys()], less.log]).toEqual([70, ['a', 'algorithm.log'], '']);
      expect(await storedFor(less.job.jobId)).not.toContain(secret);
    },
    jobPatienceMs,
  );

  test(
    'that refuses withholds all outputs and says so; its own words reach nobody but the operator',
    async () => {
      const { job, results, log } = await runRawJob(scene(), { environment: 'filtered', code: writing('refuse') });
      const reason = reasonOf('by the filter of environment filtered (exit code 3)');
      expect([job.status, job.statusReason, job.terminationDetails?.exitCode]).toEqual([62, reason, 0]);
      expect([[...results.keys()], log]).toEqual([['algorithm.log'], `\n[${reason}]\n`]);
      expect(await readFault(scene(), job.jobId)).toBe('consumer');
      const stored = await storedFor(job.jobId);
      expect(stored).toContain(job.jobId);
      for (const words of [secret, 'the filter saw']) expect(stored).not.toContain(words);
      const image = expect.any(String) as string;
      expect((await readManifest(scene(), job.jobId)).predicate.filters).toEqual([{ by: 'environment filtered', image, exitCode: 3 }]);
    },
    jobPatienceMs,
  );

  test(
    'shows as status 50 while it works; one that does not end withholds the outputs, and that is the operator’s fault',
    async () => {
      const { jobId } = await startRawJob(scene(), { environment: 'filtered', code: writing('hang') });
      const { statusText, statusReason } = await awaitJob(scene(), jobId, ({ status }) => status === 50);
      expect([statusText, statusReason]).toEqual(['Filtering results', 'the algorithm has ended, its outputs are being filtered']);
      const { job, results } = await awaitEnd(scene(), jobId);
      const reason = reasonOf('because the filter of environment filtered took longer than its 4 s');
      expect([job.status, job.statusReason, [...results.keys()]]).toEqual([62, reason, ['algorithm.log']]);
      expect(await readFault(scene(), jobId)).toBe('operator');
    },
    jobPatienceMs,
  );

  test(
    'that cannot be had ends the job before its algorithm runs',
    async () => {
      const { job } = await runRawJob(scene(), { environment: 'unfilterable', code: writing('pass') });
      expect([job.status, job.statusReason]).toEqual([22, expect.stringContaining('the image of the filter of environment unfilterable')]);
      expect([job.results, job.algoStartTimestamp]).toEqual([[], '0']);
      expect(await readFault(scene(), job.jobId)).toBe('operator');
    },
    jobPatienceMs,
  );

  test(
    'has its say about what a stopped job leaves',
    async () => {
      const code = `${writing('remove')} process.on('SIGTERM', () => process.exit(5)); setInterval(() => undefined, 1_000);`;
      const { jobId } = await startRawJob(scene(), { environment: 'filtered', code });
      await awaitJob(scene(), jobId, ({ status }) => status === 40);
      await scene().pods.exec({ jobId, podAttempt: 1 }, ['sh', '-c', 'until [ -e /data/outputs/ask ]; do sleep 0.05; done']);
      await scene().consumer.computeStop({ jobId });
      const { job, results } = await awaitEnd(scene(), jobId);
      expect([job.status, [...results.keys()]]).toEqual([80, ['a', 'algorithm.log']]);
    },
    jobPatienceMs,
  );

  test(
    'is heard also when the agent is killed meanwhile',
    async () => {
      const { jobId } = await startRawJob(scene(), { environment: 'filtered', code: writing('refuse slowly') });
      await awaitJob(scene(), jobId, ({ status }) => status === 50);
      await scene().pods.killMainProcesses([{ jobId, podAttempt: 1 }], 'agent');
      const { job, results } = await awaitEnd(scene(), jobId);
      const reason = reasonOf('by the filter of environment filtered (exit code 4)');
      expect([job.status, job.statusReason, [...results.keys()]]).toEqual([62, reason, ['algorithm.log']]);
    },
    jobPatienceMs,
  );
});

/** The image that the stack's algorithms run in, by its digest; undefined on a cluster, whose nodes got it without one. */
const imageByDigest = async (): Promise<string | undefined> => {
  const { pods, nodeImage } = scene().stack;
  if (pods.kind !== 'docker') return undefined;
  const { RepoDigests } = await new Docker({ socketPath: pods.socketPath }).getImage(nodeImage).inspect();
  expect(RepoDigests).not.toEqual([]);
  return RepoDigests[0];
};

describe('a filter of a publisher', () => {
  const filter = (image: string, code: string) => ({ outputPolicy: { filter: { image, command: ['node', '-e', code], seconds: 5 } } });

  test(
    'withholds outputs in its name, and has not seen the inputs',
    async () => {
      const image = await imageByDigest();
      if (image === undefined) return;
      const code = `const fs = require('node:fs'); process.exit(fs.existsSync('/data/inputs') ? 9 : fs.readFileSync('/data/outputs/a', 'utf8') === 'fine' ? 2 : 8)`;
      const dataset = await publishDataset(scene(), { additionalInformation: filter(image, code) });
      const { job, results } = await runRawJob(scene(), { environment: 'filtered', code: writing('pass'), datasets: [dataset] });
      const reason = reasonOf(`by the filter of ${dataset.did} (exit code 2)`);
      expect([job.status, job.statusReason, [...results.keys()]]).toEqual([62, reason, ['algorithm.log']]);
    },
    jobPatienceMs,
  );

  test('closes environments that run none to its dataset', async () => {
    const dataset = await publishDataset(scene(), { additionalInformation: filter(`r.example/f@sha256:${'0'.repeat(64)}`, '') });
    const start = startRawJob(scene(), { environment: 'tiny', code: writing('pass'), datasets: [dataset] });
    await expect(start).rejects.toThrow(/environment tiny runs no filters of publishers; choose another environment/);
  });
});
