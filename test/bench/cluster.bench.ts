/** `npm run bench:kubernetes`: trivial jobs on a real cluster, one after another, beside the same pods made by hand. */

import { randomBytes } from 'node:crypto';
import { connectCluster, startCluster } from '../../infra/toolchain/cluster/cluster.ts';
import { awaitPodGone, measureClusterFloor, openCore, type ClusterFloorTimes } from './clusterFloor.ts';
import { renderTable, round } from './figures.ts';
import { onStage, type Stage } from './stage.ts';
import { pick, runTrivialJob, summarizeJobs, type JobTimes } from './trivialJob.ts';

/** How it is run. */
export interface ClusterBenchOptions {
  /** measured jobs; a few more go before them */
  readonly jobs: number;
  /** one that is up; default: one of its own */
  readonly cluster?: string;
  readonly print?: (line: string) => void;
}

const warmUps = 3;

interface Measured {
  readonly jobs: readonly JobTimes[];
  readonly floors: readonly ClusterFloorTimes[];
}

const measure = async (stage: Stage, { jobs: wanted, print = console.log }: ClusterBenchOptions): Promise<Measured> => {
  const { stack, image } = stage;
  if (stack.pods.kind !== 'kubernetes') throw new Error('the stack has no cluster');
  const { kubeconfig, namespace } = stack.pods;
  const deps = { core: openCore(kubeconfig), namespace, agentImage: stack.agentImage, image };
  const jobs: JobTimes[] = [];
  const floors: ClusterFloorTimes[] = [];
  for (let round = -warmUps; round < wanted; round += 1) {
    // interleaved: what else the machine does at a time slows down both
    const floor = await measureClusterFloor(deps, randomBytes(16).toString('hex'));
    const job = await runTrivialJob(stage, (jobId) => awaitPodGone(deps, jobId));
    if (round < 0) continue;
    floors.push(floor);
    jobs.push(job);
    if ((round + 1) % 10 === 0) print(`${round + 1} of ${wanted} jobs`);
  }
  return { jobs, floors };
};

/** Goals at the median, in milliseconds; `margin` above the floor of the same run. */
const goals = { firstInstructionMargin: 250, exitToTerminal: 200, results: 1_100 } as const;

const summarizeAll = ({ jobs, floors }: Measured) => {
  const job = summarizeJobs(jobs);
  const floor = {
    firstInstruction: pick(floors, 'firstInstruction'),
    exit: pick(floors, 'exit'),
    terminal: pick(floors, 'terminal'),
    removed: pick(floors, 'removed'),
  };
  const ratios = {
    firstInstruction: round(job.firstInstruction.p50 / floor.firstInstruction.p50, 2),
    results: round(job.results.p50 / floor.terminal.p50, 2),
    terminal: round(job.terminal.p50 / floor.terminal.p50, 2),
    removed: round(job.removed.p50 / floor.removed.p50, 2),
  };
  return { job, floor, ratios };
};

type Figures = ReturnType<typeof summarizeAll>;

const renderFigures = ({ job, floor, ratios }: Figures): string =>
  renderTable(
    ['milliseconds', 'p50', 'p99', 'floor p50', 'floor p99', 'ratio'],
    [
      ['POST → accepted', job.accepted.p50, job.accepted.p99, '', '', ''],
      [
        'POST → first instruction',
        ...[job.firstInstruction.p50, job.firstInstruction.p99],
        ...[floor.firstInstruction.p50, floor.firstInstruction.p99, ratios.firstInstruction],
      ],
      ['exit → terminal status readable', job.exitToTerminal.p50, job.exitToTerminal.p99, '', '', ''],
      [
        'POST → results listed (floor: phase seen)',
        ...[job.results.p50, job.results.p99],
        ...[floor.terminal.p50, floor.terminal.p99, ratios.results],
      ],
      ['POST → terminal status readable', job.terminal.p50, job.terminal.p99, floor.terminal.p50, floor.terminal.p99, ratios.terminal],
      ['POST → pod gone', job.removed.p50, job.removed.p99, floor.removed.p50, floor.removed.p99, ratios.removed],
    ],
  );

const judge = ({ job, floor }: Figures) => {
  const atMost = (goal: number, value: number) => ({ goal: round(goal), met: value <= goal });
  return {
    firstInstruction: atMost(floor.firstInstruction.p50 + goals.firstInstructionMargin, job.firstInstruction.p50),
    exitToTerminal: atMost(goals.exitToTerminal, job.exitToTerminal.p50),
    results: atMost(goals.results, job.results.p50),
    resultsBesidePoller: atMost(floor.terminal.p50, job.results.p50),
  };
};

/**
 * Starts the whole service, runs the jobs and prints a table; the last line is one JSON object with all figures in
 * milliseconds. A missed goal is told, not thrown.
 */
export const benchCluster = async (options: ClusterBenchOptions): Promise<void> => {
  const { jobs, cluster: name, print = console.log } = options;
  const report = (line: string): void => print(`  ${line}`);
  const own = name === undefined ? await startCluster({ name: `bench-${process.pid}`, report }) : undefined;
  try {
    const cluster = own ?? (await connectCluster(name ?? ''));
    const figures = summarizeAll(await onStage({ report, cluster }, (stage) => measure(stage, options)));
    const verdicts = judge(figures);
    print('');
    print(renderFigures(figures));
    print('');
    for (const [goal, { goal: ms, met }] of Object.entries(verdicts))
      print(`goal ${goal} ≤ ${ms} ms at the median: ${met ? 'met' : 'missed'}`);
    print(JSON.stringify({ benchmark: 'cluster', jobs, ...figures, goals: verdicts }));
  } finally {
    await own?.close();
  }
};
