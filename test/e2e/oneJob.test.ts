import { createHash } from 'node:crypto';
import { followJob } from '../../infra/toolchain/demo/follow.ts';
import { awaitEnd, publishDataset, publishTrustingPair, startOrderedJob, startRawJob } from '../support/jobs.ts';
import { useScene } from '../support/scene.ts';

const scene = useScene();

const jobPatienceMs = 60_000;

/** Reads every input and writes its digest: proves that the bytes arrived whole. */
const digestInputs = `
const fs = require('node:fs');
const { createHash } = require('node:crypto');
const digests = {};
for (const did of JSON.parse(process.env.DIDS))
  for (const file of fs.readdirSync('/data/inputs/' + did))
    digests[did + '/' + file] = createHash('sha256').update(fs.readFileSync('/data/inputs/' + did + '/' + file)).digest('hex');
fs.mkdirSync('/data/outputs/nested/deeper', { recursive: true });
fs.writeFileSync('/data/outputs/digests.json', JSON.stringify(digests));
fs.writeFileSync('/data/outputs/nested/deeper/note 100%.txt', 'from below');
console.log('digested ' + Object.keys(digests).length + ' files');
console.error('and said so');
`;

describe('one job, with the unmodified client library', () => {
  test(
    'runs an ordered, trusted algorithm on two datasets from their order to their results',
    async () => {
      const big = Buffer.alloc(3_000_001, 'durable ');
      const assets = await publishTrustingPair(scene(), { contents: [digestInputs], datasets: [['first', big], ['third']] });
      const started = await startOrderedJob(scene(), assets);
      expect(started).toMatchObject({ owner: scene().consumer.address, dateFinished: null, results: [] });
      // the job goes on while its start is being answered: its pod may be in the making already
      expect([1, 10]).toContain(started.status);
      expect(started.jobId).toMatch(/^[0-9a-f]{32}$/);

      const { job, results, log } = await awaitEnd(scene(), started.jobId);
      expect(job).toMatchObject({ status: 70, statusText: 'Job finished', terminationDetails: { exitCode: 0, OOMKilled: false } });
      const sha256 = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');
      const [first, second] = assets.datasets.map(({ did }) => did.replace('did:op:', ''));
      expect(JSON.parse(results.get('digests.json')!.toString())).toEqual({
        [`${first}/0`]: sha256('first'),
        [`${first}/1`]: sha256(big),
        [`${second}/0`]: sha256('third'),
      });
      expect(results.get('nested%2Fdeeper%2Fnote 100%25.txt')!.toString()).toBe('from below');
      expect(log).toBe('digested 3 files\nand said so\n');
      expect(job.results.map(({ type }) => type)).toEqual(['output', 'output', 'algorithmLog']);
      expect(job.results.map(({ index }) => index)).toEqual([0, 1, 2]);
    },
    jobPatienceMs,
  );

  test(
    'runs code that the consumer brings along, free of charge',
    async () => {
      const dataset = await publishDataset(scene(), { contents: ['hello'] });
      const code = `console.log(require('node:fs').readFileSync('/data/inputs/${dataset.did.slice(7)}/0', 'utf8'))`;
      const { job, log } = await awaitEnd(scene(), (await startRawJob(scene(), { code, datasets: [dataset] })).jobId);
      expect(job.status).toBe(70);
      expect(log).toBe('hello\n');
    },
    jobPatienceMs,
  );

  test(
    'tells an exit code as it is, with the log and what was written before (complaint: every algorithm succeeds)',
    async () => {
      const code = `require('node:fs').writeFileSync('/data/outputs/partial', 'half'); console.log('giving up'); process.exit(3)`;
      const { job, results, log } = await awaitEnd(scene(), (await startRawJob(scene(), { code })).jobId);
      expect(job).toMatchObject({ status: 82, terminationDetails: { exitCode: 3, OOMKilled: false } });
      expect(results.get('partial')!.toString()).toBe('half');
      expect(log).toBe('giving up\n');
    },
    jobPatienceMs,
  );

  test(
    'streams the log while the algorithm runs, and stops it when told',
    async () => {
      const code = `
        process.on('SIGTERM', () => { console.log('told to stop'); require('node:fs').writeFileSync('/data/outputs/last', 'words'); process.exit(0); });
        console.log('waiting'); setInterval(() => {}, 1000);`;
      const { jobId } = await startRawJob(scene(), { code });
      const lines: string[] = [];
      let asked: Promise<unknown> | undefined;
      const onLogLine = (line: string): void => {
        lines.push(line);
        // the stop is asked for because the line was seen: the log is live
        if (line === 'waiting') asked = scene().consumer.computeStop({ jobId });
      };
      const job = await followJob(scene().consumer, jobId, { pollMs: 50, onLogLine });
      await asked;
      expect(asked).toBeDefined();
      expect(job).toMatchObject({ status: 80, statusText: 'Job stopped' });
      expect(lines).toContain('told to stop');
      const { results } = await awaitEnd(scene(), jobId);
      expect(results.get('last')!.toString()).toBe('words');
    },
    jobPatienceMs,
  );
});
