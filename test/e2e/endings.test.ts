import { createHash, randomBytes } from 'node:crypto';
import { tinyLimits } from '../support/environments.ts';
import type { Content } from '../support/fileServer.ts';
import { aContainer, awaitEnd, publishDataset, startRawJob, type EndedJob, type RawJob } from '../support/jobs.ts';
import { useScene } from '../support/scene.ts';
import { breaking, endless, stalling, trickling } from '../support/sources.ts';

const scene = useScene();
const jobsPatienceMs = 180_000;

/** Starts all jobs, waits for all ends: jobs do not wait for each other, so neither do their tests. */
const runAll = async (jobs: Readonly<Record<string, RawJob>>): Promise<ReadonlyMap<string, EndedJob>> => {
  const started = new Map<string, string>();
  for (const [name, job] of Object.entries(jobs)) started.set(name, (await startRawJob(scene(), job)).jobId);
  return new Map(await Promise.all([...started].map(async ([name, jobId]) => [name, await awaitEnd(scene(), jobId)] as const)));
};

const sha256 = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');

describe('what becomes of a job whose inputs are not as they should be', () => {
  const content = randomBytes(300_000);
  const resumable = breaking(content, { cutAfter: 100_000, hasRanges: true });
  const forgetful = breaking(content, { cutAfter: 100_000, hasRanges: false });
  let did: Readonly<Record<string, string>> = {};
  let ended: ReadonlyMap<string, EndedJob>;

  beforeAll(async () => {
    const digest = `
      const { readFileSync, readdirSync } = require('node:fs');
      const [folder] = JSON.parse(process.env.DIDS);
      process.stdout.write(require('node:crypto').createHash('sha256').update(readFileSync('/data/inputs/' + folder + '/0')).digest('hex'));`;
    const sources: Readonly<Record<string, readonly [environment: string, content: Content]>> = {
      stalling: ['brief', stalling()],
      trickling: ['brief', trickling(content, { pieces: 10, pauseMs: 300 })],
      missing: ['tiny', (_req, res) => void res.writeHead(404).end('not here')],
      resumable: ['tiny', resumable.handle],
      forgetful: ['tiny', forgetful.handle],
      large: ['tiny', Buffer.alloc(tinyLimits.inputBytes + 1)],
      endless: ['tiny', endless()],
    };
    const jobs: Record<string, RawJob> = {
      uncoded: { environment: 'tiny', code: { url: scene().files.serve((_req, res) => void res.writeHead(404).end()) } },
    };
    const dids: Record<string, string> = {};
    for (const [name, [environment, source]] of Object.entries(sources)) {
      const dataset = await publishDataset(scene(), { contents: [source] });
      dids[name] = dataset.did;
      jobs[name] = { environment, code: digest, datasets: [dataset] };
    }
    did = dids;
    ended = await runAll(jobs);
  }, jobsPatienceMs);

  test.each([
    ['missing', 31, /status 404/],
    ['stalling', 31, /stopped sending|sends no data|in time/],
    ['large', 31, new RegExp(`larger than the ${tinyLimits.inputBytes} bytes`)],
    ['endless', 31, new RegExp(`larger than the ${tinyLimits.inputBytes} bytes`)],
    ['uncoded', 32, /algorithm file 0.*status 404/],
  ])(
    'one from a source that is %s ends with %i and says why (complaint: jobs stuck in "Warming up" while inputs fail)',
    (name, status, reason) => {
      const { job } = ended.get(name)!;
      expect([job.status, job.terminationDetails?.reason]).toEqual([status, expect.stringMatching(reason)]);
      expect(job).toMatchObject({ statusReason: job.terminationDetails!.reason, terminationDetails: { exitCode: null, OOMKilled: false } });
      expect(job.results).toEqual([]);
    },
  );

  test('the reason names the dataset, and never its address', () => {
    expect(ended.get('missing')!.job.terminationDetails!.reason).toContain(did['missing']);
    for (const { job } of ended.values()) expect(JSON.stringify(job)).not.toMatch(/127\.0\.0\.1|https?:/);
  });

  test.each([['trickling'], ['resumable'], ['forgetful']])('one from a source that is %s gets every byte', (name) => {
    const { job, log } = ended.get(name)!;
    expect([job.status, job.terminationDetails?.reason]).toEqual([70, 'the algorithm ended with exit code 0']);
    expect(log).toBe(sha256(content));
  });

  test('a transfer that was cut goes on where it was (complaint: transfers do not resume)', () => {
    const starts = resumable.ranges.map((range) => (range === undefined ? 0 : Number(/^bytes=(\d+)-$/.exec(range)?.[1])));
    // how much of a cut answer still arrives is the network's affair
    expect(starts).toEqual([0, expect.any(Number), expect.any(Number)]);
    expect(starts[1]).toBeGreaterThan(0);
    expect(starts[2]).toBeGreaterThan(starts[1]!);
  });
});

describe('what becomes of a job by what its algorithm does', () => {
  const before = `const fs = require('node:fs'); fs.writeFileSync('/data/outputs/partial', 'half'); console.log('began');`;
  let ended: ReadonlyMap<string, EndedJob>;

  beforeAll(async () => {
    const node = scene().stack.nodeImage;
    const tiny = (code: string): RawJob => ({ environment: 'tiny', code: before + code });
    ended = await runAll({
      'stays too long': { environment: 'brief', code: `${before} setInterval(() => {}, 1_000);` },
      'stays too long and ignores TERM': {
        environment: 'brief',
        code: `${before} process.on('SIGTERM', () => console.log('never')); setInterval(() => {}, 1_000);`,
      },
      'exits with 3': tiny(`process.exit(3);`),
      'kills itself': tiny(`process.kill(process.pid, 'SIGKILL'); setInterval(() => {}, 1_000);`),
      'takes all memory': tiny(`const all = []; for (;;) all.push(Buffer.alloc(16 * 1024 ** 2, 1));`),
      'writes too much': tiny(`fs.writeFileSync('/data/outputs/large', Buffer.alloc(${tinyLimits.outputBytes} + 1));`),
      'writes too many files': tiny(
        `fs.mkdirSync('/data/outputs/many'); for (let n = 0; n < ${tinyLimits.outputFiles}; n += 1) fs.writeFileSync('/data/outputs/many/' + n, '');`,
      ),
      'goes on writing': tiny(
        `setInterval(() => fs.appendFileSync('/data/outputs/growing', Buffer.alloc(256 * 1024)), 20); process.on('SIGTERM', () => {});`,
      ),
      'has no image': { environment: 'tiny', code: before, container: aContainer('localhost/there-is-no-such-image:1') },
      'has no program': { environment: 'tiny', code: before, container: aContainer(node, { entrypoint: 'python3.99 $ALGO' }) },
    });
  }, jobsPatienceMs);

  test.each([
    ['exits with 3', 82, { exitCode: 3, OOMKilled: false }, /exit code 3/],
    ['kills itself', 82, { exitCode: 137, OOMKilled: false }, /exit code 137/],
    ['takes all memory', 83, { exitCode: 137, OOMKilled: true }, /memory limit/],
    ['stays too long', 81, { exitCode: 143, OOMKilled: false }, /longer than the 6 s/],
    ['stays too long and ignores TERM', 81, { exitCode: 137, OOMKilled: false }, /longer than the 6 s/],
  ])('one that %s ends with %i, its log and what it had written', (name, status, termination, reason) => {
    const { job, results, log } = ended.get(name)!;
    expect([job.status, job.terminationDetails]).toEqual([status, { ...termination, reason: expect.stringMatching(reason) }]);
    expect(log).toMatch(/^began\n/);
    expect([...results.keys()]).toEqual(['partial', 'algorithm.log']);
    expect(results.get('partial')!.toString()).toBe('half');
    expect(Number(job.algoStopTimestamp)).toBeGreaterThan(Number(job.algoStartTimestamp));
  });

  test.each(['writes too much', 'writes too many files', 'goes on writing'])(
    'one that %s ends with 42, and its log says that nothing else is published',
    (name) => {
      const { job, results, log } = ended.get(name)!;
      expect([job.status, job.terminationDetails?.reason]).toEqual([42, expect.stringMatching(/size or the number of files/)]);
      expect([...results.keys()]).toEqual(['algorithm.log']);
      expect(log).toBe('began\n\n[the outputs exceed their limits and are not published]\n');
    },
  );

  test.each([
    ['has no image', 11, /image/],
    ['has no program', 41, /python3\.99: not found in the image/],
  ])('one that %s ends with %i and never runs', (name, status, reason) => {
    const { job, log } = ended.get(name)!;
    expect([job.status, job.terminationDetails]).toEqual([
      status,
      { exitCode: null, OOMKilled: false, reason: expect.stringMatching(reason) },
    ]);
    expect(log).toBe('');
    expect(job.algoStartTimestamp).toBe('0');
  });
});
