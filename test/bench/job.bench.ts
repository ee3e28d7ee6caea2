/** `npm run bench:job`: trivial jobs one after another, beside the floor of the same pods made by hand. */

import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { renderTable, round, summarize, type Summary } from './figures.ts';
import { measureFloor, readTimes, trivialAlgorithm, type FloorDeps, type FloorTimes } from './floor.ts';
import { awaitTeardown, clockMs, onStage, readJob, type Stage } from './stage.ts';

/** How it is run. */
export interface JobBenchOptions {
  /** measured jobs; a few more go before them */
  readonly jobs: number;
  readonly print?: (line: string) => void;
}

const warmUps = 5;
/** Every look costs the two cores of a small machine what the job needs: shorter, and the measurement measures itself. */
const pollMs = 20;
const jobPatienceMs = 120_000;

/** Times of one job in milliseconds from its POST; `exitToTerminal` from the algorithm's exit. */
interface JobTimes {
  readonly accepted: number;
  readonly firstInstruction: number;
  readonly exitToTerminal: number;
  readonly terminal: number;
  readonly results: number;
  readonly removed: number;
}

const resources = [
  { id: 'cpu', amount: 1 },
  { id: 'ram', amount: 1 },
  { id: 'disk', amount: 1 },
];

/** The algorithm that a consumer brings along: code for the image with `node`. */
const rawAlgorithm = (image: string) => {
  const at = image.lastIndexOf(':');
  const container = { entrypoint: 'node $ALGO', image: image.slice(0, at), tag: image.slice(at + 1), checksum: '' };
  return { meta: { rawcode: trivialAlgorithm, container } };
};

const runJob = async ({ stack, client, image }: Stage): Promise<JobTimes> => {
  const { jobId, postedAtMs, acceptedAtMs } = await client.start({ algorithm: rawAlgorithm(image), resources });
  const { terminalAtMs, resultsAtMs, logIndex } = await followJob(stack, jobId);
  const removedAtMs = await awaitTeardown(stack, jobId);
  const { firstAtMs, exitAtMs } = readTimes((await client.result(jobId, logIndex)).toString());
  return {
    accepted: acceptedAtMs - postedAtMs,
    firstInstruction: firstAtMs - postedAtMs,
    exitToTerminal: terminalAtMs - exitAtMs,
    terminal: terminalAtMs - postedAtMs,
    results: resultsAtMs - postedAtMs,
    removed: removedAtMs - postedAtMs,
  };
};

/** Looks until the job has ended and its results are listed. */
const followJob = async (stack: Stage['stack'], jobId: string) => {
  const deadline = performance.now() + jobPatienceMs;
  let resultsAtMs: number | undefined;
  let terminalAtMs: number | undefined;
  for (;;) {
    const job = await readJob(stack, jobId);
    const now = clockMs();
    if (job.results.length > 0) resultsAtMs ??= now;
    if (job.dateFinished !== null) terminalAtMs ??= now;
    if (terminalAtMs !== undefined && job.status !== 70) throw new Error(`a job ended with status ${job.status}, ${job.statusText}`);
    if (resultsAtMs !== undefined && terminalAtMs !== undefined) {
      const logIndex = job.results.find(({ type }) => type === 'algorithmLog')?.index ?? 0;
      return { resultsAtMs, terminalAtMs, logIndex };
    }
    if (performance.now() > deadline) throw new Error(`a job is still "${job.statusText}" after ${jobPatienceMs / 1_000} s`);
    await delay(pollMs);
  }
};

interface Measured {
  readonly jobs: readonly JobTimes[];
  readonly floors: readonly FloorTimes[];
}

const measure = async (stage: Stage, { jobs: wanted, print = console.log }: JobBenchOptions): Promise<Measured> => {
  const { stack, image } = stage;
  const { agentImage, gatewayFolder, seccompProfile } = stack;
  const floorDeps: FloorDeps = { docker: stack.docker, instance: stack.instance, agentImage, image, gatewayFolder, seccompProfile };
  const jobs: JobTimes[] = [];
  const floors: FloorTimes[] = [];
  for (let round = -warmUps; round < wanted; round += 1) {
    // interleaved: what else the machine does at a time slows down both
    const floor = await measureFloor(floorDeps, randomBytes(16).toString('hex'));
    const job = await runJob(stage);
    if (round < 0) continue;
    floors.push(floor);
    jobs.push(job);
    if ((round + 1) % 10 === 0) print(`${round + 1} of ${wanted} jobs`);
  }
  return { jobs, floors };
};

/** Goals at the median, in milliseconds; `withinFloor` beside the floor of the same run. */
const goals = { accepted: 60, exitToTerminal: 300, results: 800, floorFactor: 2, floorMargin: 300 } as const;

const pick = <Key extends string>(list: readonly Readonly<Record<Key, number>>[], key: Key): Summary =>
  summarize(list.map((times) => times[key]));

const summarizeAll = ({ jobs, floors }: Measured) => {
  const job = {
    accepted: pick(jobs, 'accepted'),
    firstInstruction: pick(jobs, 'firstInstruction'),
    exitToTerminal: pick(jobs, 'exitToTerminal'),
    terminal: pick(jobs, 'terminal'),
    results: pick(jobs, 'results'),
    removed: pick(jobs, 'removed'),
  };
  const floor = { firstInstruction: pick(floors, 'firstInstruction'), exit: pick(floors, 'exit'), removed: pick(floors, 'removed') };
  const ratios = {
    firstInstruction: round(job.firstInstruction.p50 / floor.firstInstruction.p50, 2),
    resultsToExit: round(job.results.p50 / floor.exit.p50, 2),
    removed: round(job.removed.p50 / floor.removed.p50, 2),
  };
  return { job, floor, ratios };
};

type Figures = ReturnType<typeof summarizeAll>;

const renderFigures = ({ job, floor, ratios }: Figures): string =>
  renderTable(
    ['milliseconds', 'p50', 'p99', 'floor p50', 'ratio'],
    [
      ['POST → accepted', job.accepted.p50, job.accepted.p99, '', ''],
      ['POST → first instruction', job.firstInstruction.p50, job.firstInstruction.p99, floor.firstInstruction.p50, ratios.firstInstruction],
      ['exit → terminal status readable', job.exitToTerminal.p50, job.exitToTerminal.p99, '', ''],
      ['POST → results listed', job.results.p50, job.results.p99, floor.exit.p50, ratios.resultsToExit],
      ['POST → terminal status readable', job.terminal.p50, job.terminal.p99, floor.exit.p50, ''],
      ['POST → nothing left on the engine', job.removed.p50, job.removed.p99, floor.removed.p50, ratios.removed],
    ],
  );

const judge = ({ job, floor }: Figures) => {
  const bound = round(goals.floorFactor * floor.exit.p50 + goals.floorMargin);
  return {
    accepted: { goal: goals.accepted, met: job.accepted.p50 <= goals.accepted },
    exitToTerminal: { goal: goals.exitToTerminal, met: job.exitToTerminal.p50 <= goals.exitToTerminal },
    results: { goal: goals.results, met: job.results.p50 <= goals.results },
    resultsBesideFloor: { goal: bound, met: job.results.p50 <= bound },
  };
};

/**
 * Starts the whole service, runs the jobs and prints a table; the last line is one JSON object with all figures in
 * milliseconds. A missed goal is told, not thrown. The floor of the results is the algorithm's exit.
 */
export const benchJobs = async ({ jobs, print = console.log }: JobBenchOptions): Promise<void> => {
  const measured = await onStage({ report: (line) => print(`  ${line}`) }, (stage) => measure(stage, { jobs, print }));
  const figures = summarizeAll(measured);
  const verdicts = judge(figures);
  print('');
  print(renderFigures(figures));
  print('');
  for (const [name, { goal, met }] of Object.entries(verdicts)) print(`goal ${name} ≤ ${goal} ms at the median: ${met ? 'met' : 'missed'}`);
  print(JSON.stringify({ benchmark: 'job', jobs, ...figures, goals: verdicts }));
};
