/** `npm run bench:job`: trivial jobs one after another, beside the floor of the same pods made by hand. */

import { randomBytes } from 'node:crypto';
import { renderTable, round } from './figures.ts';
import { measureFloor, type FloorDeps, type FloorTimes } from './floor.ts';
import { awaitTeardown, onStage, type Stage } from './stage.ts';
import { pick, runTrivialJob, summarizeJobs, type JobTimes } from './trivialJob.ts';

/** How it is run. */
export interface JobBenchOptions {
  /** measured jobs; a few more go before them */
  readonly jobs: number;
  readonly print?: (line: string) => void;
}

const warmUps = 5;
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
    const job = await runTrivialJob(stage, (jobId) => awaitTeardown(stack, jobId));
    if (round < 0) continue;
    floors.push(floor);
    jobs.push(job);
    if ((round + 1) % 10 === 0) print(`${round + 1} of ${wanted} jobs`);
  }
  return { jobs, floors };
};

/** Goals at the median, in milliseconds; `withinFloor` beside the floor of the same run. */
const goals = { accepted: 60, exitToTerminal: 300, results: 800, floorFactor: 2, floorMargin: 300 } as const;

const summarizeAll = ({ jobs, floors }: Measured) => {
  const job = summarizeJobs(jobs);
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
