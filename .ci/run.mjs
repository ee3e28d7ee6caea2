// What continuous integration runs: the checks, every test, and then, on real Kubernetes clusters that it builds if it must,
// the end-to-end tests again and the tests of what only a cluster can show. Those that load a cluster for minutes come last and
// alone. Between the two each API is fuzzed from its description, always with the same seed.
// A file with a failed test is run a second time after all others, alone: these tests kill servers and measure time on
// machines that others use as well. What failed first stays in the output and in the summary.
// The summary says how long each phase took and which files took longest; with `--record-durations` what each took is kept in
// test/durations.json, by which the next run is ordered.
// The last line says how many tests passed and failed; the status is not 0 unless all checks and tests passed.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..');
const results = mkdtempSync(path.join(tmpdir(), 'durable-c2d-ci-'));

// whoever is interrupted with us cleans up first, and nothing begins after that
let isInterrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => (isInterrupted = true));

const run = (args) =>
  new Promise((resolve, reject) => {
    if (isInterrupted) throw new Error('interrupted');
    const child = spawn('npm', args, { cwd: root, stdio: 'inherit' });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });

let runs = 0;

/** One run of jest: its status, and its report when it got as far as that. */
const runJest = async (command, args) => {
  runs += 1;
  const file = path.join(results, String(runs));
  const status = await run([...command, '--', '--ci', '--json', `--outputFile=${file}`, ...args]);
  return { status, files: existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).testResults : undefined };
};

const count = (file, status) => file.assertionResults.filter((test) => test.status === status).length;
const failuresOf = (file) => (file.status === 'failed' ? Math.max(1, count(file, 'failed')) : 0);

/** Runs tests, and the files that failed once more. */
const runTests = async ({ name, command, patterns }) => {
  const first = await runJest(command, patterns);
  const failed = first.files?.filter((file) => file.status === 'failed') ?? [];
  // nothing to show means that what the tests need could not be started
  const again = first.files === undefined || failed.length > 0;
  if (!again) return { name, files: first.files, status: first.status, repeated: [] };
  const repeated = failed.map((file) => path.relative(root, file.name));
  console.log(`${name}: a second run of ${repeated.length > 0 ? repeated.join(', ') : 'everything, for nothing ran'}`);
  const second = await runJest(command, repeated.length > 0 ? ['--runInBand', ...repeated] : patterns);
  const others = first.files?.filter((file) => file.status !== 'failed') ?? [];
  return { name, files: second.files === undefined ? first.files : [...others, ...second.files], status: second.status, repeated };
};

/** Fuzzes every API, and once more after a finding. */
const fuzz = async () => {
  const name = 'npm run test:fuzz';
  let status = await run(['run', 'test:fuzz']);
  if (status !== 0) {
    console.log(`${name}: a second run`);
    status = await run(['run', 'test:fuzz']);
  }
  console.log(`${name}: ${status === 0 ? 'nothing was found' : 'failed, see above'}`);
  return { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1 };
};

const phases = [];

/** Runs one phase and remembers how long it took. */
const timed = async (name, work) => {
  const startedAt = Date.now();
  try {
    return await work();
  } finally {
    phases.push({ name, seconds: Math.round((Date.now() - startedAt) / 1_000) });
  }
};

const summarise = ({ name, files, status, repeated }) => {
  if (files === undefined) {
    // without a cluster, for example
    console.log(`${name} did not run: see above.`);
    return { passed: 0, failed: 1 };
  }
  const passed = files.reduce((sum, file) => sum + count(file, 'passed'), 0);
  const failures = files.reduce((sum, file) => sum + failuresOf(file), 0);
  // an end that is no test's must count as well
  const failed = failures === 0 && status !== 0 ? 1 : failures;
  console.log(`${name}: ${passed} passed, ${failed} failed${repeated.length > 0 ? `; second runs: ${repeated.join(', ')}` : ''}`);
  return { passed, failed };
};

const secondsOf = (file) => Math.round((file.endTime - file.startTime) / 1_000);
const nameOf = (file) => path.relative(root, file.name);

const showDurations = (runs) => {
  for (const { name, files = [] } of runs) {
    const slowest = files.toSorted((one, other) => secondsOf(other) - secondsOf(one)).slice(0, 10);
    console.log(`${name}, longest files: ${slowest.map((file) => `${nameOf(file)} ${secondsOf(file)} s`).join(', ')}`);
  }
  console.log(`times: ${phases.map(({ name, seconds }) => `${name} ${seconds} s`).join(', ')}`);
};

const recordDurations = (runs) => {
  const took = runs.flatMap(({ files = [] }) => files.map((file) => [nameOf(file), secondsOf(file)]));
  const sorted = took.toSorted(([one], [other]) => one.localeCompare(other));
  writeFileSync(path.join(root, 'test/durations.json'), `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`);
};

const cluster = ['run', 'test:kubernetes'];
const testRuns = [
  { name: 'npm test', command: ['test'], patterns: [] },
  { name: 'npm run test:kubernetes', command: cluster, patterns: ['test/(e2e|kubernetes/(?!load|chaos))'] },
  { name: 'npm run test:kubernetes, load and chaos', command: cluster, patterns: ['--runInBand', 'test/kubernetes/(load|chaos)'] },
];

try {
  const [onEngine, onCluster, underLoad] = testRuns.map((run) => () => timed(run.name, () => runTests(run)));
  const checks = await timed('npm run check', () => run(['run', 'check']));
  const first = await onEngine();
  const fuzzed = await timed('npm run test:fuzz', fuzz);
  const done = [first, await onCluster(), await underLoad()];
  showDurations(done);
  if (process.argv.includes('--record-durations')) recordDurations(done);
  const summaries = [...done.map(summarise), fuzzed];
  if (checks !== 0) console.log('The checks failed: see above.');
  const passed = summaries.reduce((sum, each) => sum + each.passed, 0);
  const failed = summaries.reduce((sum, each) => sum + each.failed, 0);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = checks === 0 && failed === 0 ? 0 : 1;
} catch (err) {
  if (!isInterrupted) throw err;
  console.error('Interrupted; what was started is gone.');
  process.exitCode = 130;
} finally {
  rmSync(results, { recursive: true, force: true });
}
