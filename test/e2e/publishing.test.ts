import { setTimeout as delay } from 'node:timers/promises';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { followJob } from '../../infra/toolchain/demo/follow.ts';
import { tinyLimits } from '../support/environments.ts';
import { awaitEnd, awaitJob, publishDataset, runRawJob, startRawJob } from '../support/jobs.ts';
import { useScene } from '../support/scene.ts';
import { holding } from '../support/sources.ts';
import { obstructStorage } from '../support/storage.ts';
import { readPodAttempts } from '../support/traces.ts';

const scene = useScene();
const jobPatienceMs = 150_000;

const sha256 = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');

describe('a result store that refuses', () => {
  test(
    'loses nothing: the job tells what is wrong, waits, and publishes everything once it can (complaint: jobs stuck in "Publishing results")',
    async () => {
      const source = holding('the data');
      const dataset = await publishDataset(scene(), { contents: [source.handle] });
      const code = `
        const fs = require('node:fs');
        fs.mkdirSync('/data/outputs/below');
        for (const n of [1, 2, 3]) fs.writeFileSync('/data/outputs/below/' + n, Buffer.alloc(n * 100_000, String(n)));
        console.log('written');`;
      const { jobId } = await startRawJob(scene(), { environment: 'tiny', code, datasets: [dataset] });
      const obstacle = await obstructStorage(scene(), jobId);
      source.release();
      const waiting = await awaitJob(
        scene(),
        jobId,
        ({ status, statusReason }) => status === 60 && /not a folder/.test(statusReason ?? ''),
      );
      expect(waiting.statusReason).toBe('the folder of the result store is not a folder: correct its path');
      expect(waiting).toMatchObject({ dateFinished: null, results: [] });
      await obstacle.remove();
      const { job, results, log } = await awaitEnd(scene(), jobId);
      expect([job.status, job.terminationDetails?.exitCode]).toEqual([70, 0]);
      expect([...results.keys()]).toEqual(['below%2F1', 'below%2F2', 'below%2F3', 'algorithm.log']);
      for (const n of [1, 2, 3]) expect(results.get(`below%2F${n}`)).toEqual(Buffer.alloc(n * 100_000, String(n)));
      expect(log).toBe('written\n');
    },
    jobPatienceMs,
  );
});

describe('a log', () => {
  test(
    'of 100 MB is cut with a mark, and neither fills the disk nor stops the algorithm',
    async () => {
      const code = `
        const fs = require('node:fs');
        const piece = Buffer.from(('x'.repeat(99) + '\\n').repeat(10_000));
        for (let n = 0; n < 100; n += 1) fs.writeSync(1, piece);
        fs.writeFileSync('/data/outputs/reached', 'the end');
        // long enough to be looked at
        setTimeout(() => undefined, 3_000);`;
      const { jobId } = await startRawJob(scene(), { environment: 'tiny', code });
      const pod = { jobId, podAttempt: 1 };
      let [mostBytes, restarts, looks] = [0, 0, 0];
      let hasEnded = false;
      const watch = (async () => {
        while (!hasEnded) {
          const usage = await scene().pods.usageOf(pod);
          if (usage !== undefined) looks += 1;
          mostBytes = Math.max(mostBytes, usage?.bytes ?? 0);
          restarts = Math.max(restarts, usage?.restarts ?? 0);
          await delay(20);
        }
      })();
      await followJob(scene().consumer, jobId, { pollMs: 50 }).finally(() => (hasEnded = true));
      await watch;

      const { job, results, log } = await awaitEnd(scene(), jobId);
      expect([job.status, results.get('reached')?.toString()]).toEqual([70, 'the end']);
      expect(log.length).toBeGreaterThan(tinyLimits.logBytes / 2);
      expect(log.length).toBeLessThanOrEqual(tinyLimits.logBytes);
      expect(log).toMatch(/^(x{99}\n)+x*\n\[the log was cut here, after \d+ bytes\]\n$/);
      expect(looks).toBeGreaterThan(0);
      // an agent that ran out of its memory would have been restarted, or its pod replaced
      expect([restarts, await readPodAttempts(scene(), [jobId])]).toEqual([0, [1]]);
      expect(mostBytes).toBeLessThan(2 * tinyLimits.logBytes);
    },
    jobPatienceMs,
  );
});

/** Names that a file system takes and that something on the way might not. */
const oddNames = [
  'with blanks in it',
  ' blanks around ',
  '.hidden',
  '..two dots',
  '-rf',
  '--help',
  '%',
  '100%',
  '%2F',
  'below%2Fname',
  'below/name',
  'below/deeper/and deeper/name',
  'a/b%2Fc',
  'a%2Fb/c',
  'back\\slash',
  'C:\\Windows',
  'new\nline',
  'return\rline',
  'tab\tstop',
  'bell\u0007',
  'null%00',
  '"quoted"',
  "it's",
  '$HOME `id` $(id);&|<>*?[]{}!#~',
  'ünïcödé',
  'u\u0308 combined',
  '数据.csv',
  'بيانات',
  '😀',
  'line\u2028separator',
  'algorithm.log',
  'constructor',
  '__proto__',
  'x'.repeat(200),
  '数'.repeat(85),
] as const;

describe('outputs', () => {
  test(
    'with odd names are each listed once, under a name that tells the path, with their own content',
    async () => {
      const code = `
        const fs = require('node:fs');
        for (const name of ${JSON.stringify(oddNames)}) {
          const place = '/data/outputs/' + name;
          fs.mkdirSync(require('node:path').posix.dirname(place), { recursive: true });
          fs.writeFileSync(place, 'content of ' + name);
        }
        console.log('written');`;
      const { jobId } = await startRawJob(scene(), { environment: 'tiny', code });
      const job = await followJob(scene().consumer, jobId, { pollMs: 50 });
      expect([job.status, job.terminationDetails?.reason]).toEqual([70, 'the algorithm ended with exit code 0']);
      const { results } = await awaitEnd(scene(), jobId);
      const outputs = job.results.filter(({ type }) => type === 'output');
      expect(new Set(outputs.map(({ filename }) => filename)).size).toBe(oddNames.length);
      expect(outputs.map(({ filename }) => decodeURIComponent(filename)).toSorted()).toEqual([...oddNames].toSorted());
      for (const { filename } of outputs) expect(filename).not.toMatch(/[/\\\p{Cc}]/u);
      for (const { filename, filesize, index } of outputs) {
        expect(job.results[index]!.filename).toBe(filename);
        expect(filesize).toBe(Buffer.byteLength(`content of ${decodeURIComponent(filename)}`));
        // a consumer's own algorithm.log has the name of the log
        if (filename !== 'algorithm.log') expect(results.get(filename)!.toString()).toBe(`content of ${decodeURIComponent(filename)}`);
      }
      const own = outputs.find(({ filename }) => filename === 'algorithm.log')!;
      const file = path.join(scene().folder, 'own.log');
      expect(await scene().consumer.computeResult({ jobId, index: own.index, file })).toMatchObject({
        sha256: sha256('content of algorithm.log'),
      });
    },
    jobPatienceMs,
  );

  test(
    'whose names are not UTF-8 are told apart from those that look like it',
    async () => {
      const code = `
        const fs = require('node:fs');
        fs.writeFileSync('/data/outputs/n%FF', 'text');
        for (const byte of [0xfe, 0xff]) fs.writeFileSync(Buffer.from([...Buffer.from('/data/outputs/n'), byte]), 'byte ' + byte);`;
      const { job, results } = await runRawJob(scene(), { environment: 'tiny', code });
      expect([job.status, job.terminationDetails?.reason]).toEqual([70, 'the algorithm ended with exit code 0']);
      const contents = [...results].map(([filename, content]) => [filename, content.toString()]);
      expect(contents).toEqual([
        ['n%25FF', 'text'],
        ['n%FE', 'byte 254'],
        ['n%FF', 'byte 255'],
        ['algorithm.log', ''],
      ]);
    },
    jobPatienceMs,
  );

  test(
    'of a thousand files are listed completely, in one order, and each index is that very file (complaint: many small files)',
    async () => {
      const code = `
        const fs = require('node:fs');
        for (let folder = 0; folder < 10; folder += 1) {
          fs.mkdirSync('/data/outputs/' + folder);
          for (let n = 0; n < 100; n += 1) fs.writeFileSync('/data/outputs/' + folder + '/' + n, 'file ' + (folder * 100 + n));
        }`;
      const { jobId } = await startRawJob(scene(), { environment: 'tiny', code });
      const job = await followJob(scene().consumer, jobId, { pollMs: 100 });
      expect([job.status, job.terminationDetails?.reason]).toEqual([70, 'the algorithm ended with exit code 0']);
      const wanted = Array.from({ length: 1_000 }, (_, n) => `${Math.floor(n / 100)}%2F${n % 100}`).toSorted();
      expect(job.results.map(({ filename }) => filename)).toEqual([...wanted, 'algorithm.log']);
      expect(job.results.map(({ index }) => index)).toEqual(job.results.map((_, index) => index));
      for (const index of [0, 1, 7, 99, 100, 500, 998, 999]) {
        const [folder, n] = job.results[index]!.filename.split('%2F').map(Number);
        const file = path.join(scene().folder, `one-of-many-${index}`);
        const { sha256: digest } = await scene().consumer.computeResult({ jobId, index, file });
        expect(digest).toBe(sha256(`file ${folder! * 100 + n!}`));
      }
    },
    jobPatienceMs,
  );

  test(
    'that are none, or empty, are a valid result',
    async () => {
      const [nothing, empty] = await Promise.all([
        runRawJob(scene(), { environment: 'tiny', code: '// nothing to do' }),
        runRawJob(scene(), {
          environment: 'tiny',
          code: `const fs = require('node:fs'); fs.writeFileSync('/data/outputs/empty', ''); fs.mkdirSync('/data/outputs/folder');`,
        }),
      ]);
      expect(nothing.job.status).toBe(70);
      expect(nothing.job.results).toEqual([{ filename: 'algorithm.log', filesize: 0, type: 'algorithmLog', index: 0 }]);
      expect(nothing.log).toBe('');
      expect(empty.job.status).toBe(70);
      expect(empty.job.results.map(({ filename, filesize }) => [filename, filesize])).toEqual([
        ['empty', 0],
        ['algorithm.log', 0],
      ]);
      expect(empty.results.get('empty')).toEqual(Buffer.alloc(0));
    },
    jobPatienceMs,
  );
});

describe('an output policy', () => {
  const writing = (files: Readonly<Record<string, string>>): string => `
    for (const [name, content] of Object.entries(${JSON.stringify(files)})) require('node:fs').writeFileSync('/data/outputs/' + name, content);
    console.log('written for ann@example.org');`;

  test(
    'lets out what it allows, and withholds everything when one file is of another kind, with the rule as the reason',
    async () => {
      const [good, bad] = await Promise.all([
        runRawJob(scene(), { environment: 'guarded', code: writing({ 'a.csv': 'a,b', 'b.tsv': 'a' }) }),
        runRawJob(scene(), { environment: 'guarded', code: writing({ 'a.csv': 'a,b', 'secret.bin': 'a' }) }),
      ]);
      expect([good.job.status, [...good.results.keys()]]).toEqual([70, ['a.csv', 'b.tsv', 'algorithm.log']]);
      const reason = 'the outputs are withheld by the output policy of environment guarded (fileTypes: csv)';
      expect([bad.job.status, bad.job.statusReason, bad.job.terminationDetails?.exitCode]).toEqual([62, reason, 0]);
      expect([...bad.results.keys()]).toEqual(['algorithm.log']);
      // patterns hold for the log, and the platform's own lines are not the algorithm's
      for (const { log } of [good, bad]) expect(log).toMatch(/^written for \[redacted\]\n/);
      expect(bad.log).toBe(`written for [redacted]\n\n[${reason}]\n`);
      expect(good.results.get('algorithm.log')?.toString()).toBe(good.log);
    },
    jobPatienceMs,
  );

  test(
    'of a publisher holds in every environment, and keeps a log back, live too',
    async () => {
      const additionalInformation = { outputPolicy: { maxFiles: 1, publishLog: false } };
      const dataset = await publishDataset(scene(), { additionalInformation });
      const run = (files: Readonly<Record<string, string>>) =>
        runRawJob(scene(), { environment: 'tiny', code: writing(files), datasets: [dataset] });
      const [one, two] = await Promise.all([run({ a: '1' }), run({ a: '1', b: '2' })]);
      expect([one.job.status, one.results.get('a')?.toString()]).toEqual([70, '1']);
      expect([two.job.status, two.job.statusReason]).toEqual([
        62,
        `the outputs are withheld by the output policy of ${dataset.did} (maxFiles: 1)`,
      ]);
      for (const { log } of [one, two]) {
        expect(log).not.toContain('written');
        expect(log).toContain(`[the log is withheld by the output policy of ${dataset.did}]`);
      }
    },
    jobPatienceMs,
  );
});

test(
  'a hostile folder of outputs gives what is honest in it, under names that stay what they are',
  async () => {
    const code = `
      const fs = require('node:fs');
      const out = '/data/outputs/';
      for (const name of ['caf\u00e9', 'cafe\u0301', '\u202eexe.txt', 'a\u200bb', '..\u2215up', 'x\\ny']) fs.writeFileSync(out + name, 'of ' + name);
      for (const [n, target] of ['/etc/passwd', '/.c2d/agent-state.json', '/data/inputs', '../../etc', '/proc/self/environ'].entries()) fs.symlinkSync(target, out + 'link' + n);
      require('node:child_process').execFileSync('/.c2d/busybox', ['mkfifo', out + 'pipe.csv']);
      fs.writeFileSync(out + 'growing', 'begun');
      process.on('exit', () => fs.appendFileSync(out + 'growing', ', ended'));`;
    const { job, results } = await runRawJob(scene(), { environment: 'tiny', code });
    expect([job.status, job.terminationDetails?.reason]).toEqual([70, 'the algorithm ended with exit code 0']);
    const names = ['caf\u00e9', 'cafe\u0301', '\u202eexe.txt', 'a\u200bb', '..\u2215up', 'x\ny'];
    const outputs = [...results].filter(([name]) => !['growing', 'algorithm.log'].includes(name));
    expect(outputs.map(([name]) => decodeURIComponent(name)).toSorted()).toEqual(names.toSorted());
    for (const [name, content] of outputs) expect(content.toString()).toBe(`of ${decodeURIComponent(name)}`);
    expect(results.get('growing')?.toString()).toBe('begun, ended');
  },
  jobPatienceMs,
);

test.each([
  // or as large as the pod lets it be
  [
    'a sparse file of a terabyte',
    `const fd = fs.openSync(out + 'sparse', 'w'); for (let size = 1024 ** 4; ; size /= 2) try { fs.ftruncateSync(fd, size); break } catch {}`,
  ],
  ['a hundred thousand files', `for (let n = 0; n < 100_000; n += 1) fs.writeFileSync(out + n, '');`],
])(
  '%s ends the job soon, with nothing but its log',
  async (_what, act) => {
    const code = `const fs = require('node:fs'); const out = '/data/outputs/'; ${act}`;
    const { job, results } = await runRawJob(scene(), { environment: 'tiny', code });
    expect(job.status).toBe(42);
    expect([...results.keys()]).toEqual(['algorithm.log']);
  },
  jobPatienceMs,
);
