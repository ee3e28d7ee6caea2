/** `npm run bench:control-plane`: how many jobs a minute Temporal, ledger and one orchestrator carry, beside bare workflows. */

import { computeEnvironment } from '../../infra/environments/environments.ts';
import { createJobStarter } from '../../infra/temporal/jobStarter.ts';
import { jobWorkflowId } from '../../workflows/contract/ids.ts';
import { aSpec } from '../support/builders.ts';
import { reportBare, startBare } from './bareWorker.ts';
import { bareActivityIds } from './bareWorkflows.ts';
import { startControlPlane, type ControlPlane } from './controlPlane.ts';
import { renderTable, round, summarize, type Summary } from './figures.ts';
import { unlessInterrupted } from './interruption.ts';
import { readCpuMs, readFamilyCpuMs } from './load.ts';

/** How it is run. */
export interface ControlPlaneOptions {
  /** measured jobs of each round */
  readonly jobs: number;
  /** how many are under way at any time */
  readonly atOnce: number;
  readonly print?: (line: string) => void;
}

/** Goals of a machine with two cores. */
const goals = { jobsPerMinute: 1_000, accepted: 60 } as const;

/** One job or workflow, in milliseconds. */
interface Times {
  readonly accepted: number;
  readonly ended: number;
}

interface Round {
  readonly perMinute: number;
  readonly accepted: Summary;
  readonly ended: Summary;
  /** processor time of each job by process, milliseconds; `worker` has workflows, activities, agents and callers in it */
  readonly cpu: Readonly<Record<'worker' | 'temporal' | 'postgres', number>>;
}

const environment = computeEnvironment.parse({ id: 'bench', free: {} });
const waitSeconds = 600;
const progressMs = 5_000;

/** As the API does it: the row and the nonce first, then the workflow; the end is the workflow's own. */
const runJob = async ({ client, ledger }: ControlPlane): Promise<Times> => {
  const starter = createJobStarter({ client, heartbeatSeconds: 12 });
  const spec = aSpec({ environmentId: environment.id, isFree: true, queueMaxWaitTime: waitSeconds });
  const startedAt = performance.now();
  await ledger.reserveJob({ spec, nonce: '1' });
  const outcome = await starter.start({ spec, environment });
  if (outcome.kind !== 'accepted') throw new Error(`a job was not accepted: ${JSON.stringify(outcome)}`);
  const accepted = performance.now() - startedAt;
  await client.workflow.getHandle(jobWorkflowId(spec.jobId)).result();
  return { accepted, ended: performance.now() - startedAt };
};

const runBare = async ({ client }: ControlPlane): Promise<Times> => {
  const startedAt = performance.now();
  const handle = await startBare(client, 'bareJob');
  const accepted = performance.now() - startedAt;
  for (const activityId of bareActivityIds) await reportBare(client, handle.workflowId, activityId);
  await handle.result();
  return { accepted, ended: performance.now() - startedAt };
};

const readAllCpu = async ({ pids }: ControlPlane) => ({
  worker: await readCpuMs(process.pid),
  temporal: await readCpuMs(pids.temporal),
  postgres: await readFamilyCpuMs(pids.postgres),
});

/** Always as many under way as asked for. @param name in the lines that tell how far it is */
const runRound = async (
  plane: ControlPlane,
  { jobs, atOnce, print = console.log, name }: ControlPlaneOptions & { readonly name: string },
  run: (plane: ControlPlane) => Promise<Times>,
): Promise<Round> => {
  const times: Times[] = [];
  let left = jobs;
  const runInTurn = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      times.push(await run(plane));
    }
  };
  const progress = setInterval(() => print(`  ${name}: ${times.length} of ${jobs}`), progressMs);
  const before = await readAllCpu(plane);
  const startedAt = performance.now();
  try {
    await Promise.all(Array.from({ length: atOnce }, runInTurn));
  } finally {
    clearInterval(progress);
  }
  const minutes = (performance.now() - startedAt) / 60_000;
  const after = await readAllCpu(plane);
  const cpuOf = (key: keyof typeof before): number => round(((after[key] ?? 0) - (before[key] ?? 0)) / jobs);
  return {
    perMinute: round(jobs / minutes, 0),
    accepted: summarize(times.map(({ accepted }) => accepted)),
    ended: summarize(times.map(({ ended }) => ended)),
    cpu: { worker: cpuOf('worker'), temporal: cpuOf('temporal'), postgres: cpuOf('postgres') },
  };
};

/** Rounds by name: the floor; as many places as jobs; places for a tenth of them, so that nine of ten are queued. */
const measure = async (plane: ControlPlane, options: ControlPlaneOptions) => {
  const { world, times } = plane;
  const withPlaces = (places: number, round_: ControlPlaneOptions & { readonly name: string }): Promise<Round> => {
    world.places = places;
    return runRound(plane, round_, runJob);
  };
  const { atOnce, jobs } = options;
  const few = Math.max(20, Math.round(jobs / 10));
  await runRound(plane, { ...options, jobs: atOnce, name: 'warming up, bare workflows' }, runBare);
  await withPlaces(atOnce, { ...options, jobs: atOnce, name: 'warming up' });
  const bareAlone = await runRound(plane, { ...options, jobs: few, atOnce: 1, name: 'bare workflows, one at a time' }, runBare);
  const alone = await withPlaces(atOnce, { ...options, jobs: few, atOnce: 1, name: 'jobs, one at a time' });
  const bare = await runRound(plane, { ...options, name: 'bare workflows' }, runBare);
  times.reset();
  const roomy = await withPlaces(atOnce, { ...options, name: 'jobs' });
  const activities = times.summary();
  const queued = await withPlaces(Math.max(1, Math.round(atOnce / 10)), { ...options, name: 'jobs that are queued' });
  if (world.problems.length > 0) throw new Error(`agents had trouble: ${String(world.problems[0])}`);
  return { bare, roomy, queued, bareAlone, alone, activities };
};

type Measured = Awaited<ReturnType<typeof measure>>;

const rowOf = (name: string, { perMinute, accepted, ended, cpu }: Round, floor: Round): readonly (string | number)[] => [
  name,
  perMinute,
  round(perMinute / floor.perMinute, 2),
  ...[accepted.p50, accepted.p99, ended.p50, ended.p99],
  ...[cpu.worker, cpu.temporal, cpu.postgres],
];

const renderRounds = ({ bare, roomy, queued, bareAlone, alone }: Measured): string =>
  renderTable(
    ['milliseconds', 'jobs/min', 'ratio', 'accepted p50', 'p99', 'ended p50', 'p99', 'cpu: worker', 'temporal', 'postgres'],
    [
      rowOf('bare workflows', bare, bare),
      rowOf('jobs, a place for each', roomy, bare),
      rowOf('jobs, nine of ten queued', queued, bare),
      rowOf('bare workflows, one at a time', bareAlone, bareAlone),
      rowOf('jobs, one at a time', alone, bareAlone),
    ],
  );

const renderActivities = ({ activities }: Measured): string =>
  renderTable(
    ['activity, milliseconds in the worker', 'how often', 'p50', 'p99'],
    Object.entries(activities)
      .toSorted(([, one], [, other]) => other.sum - one.sum)
      .map(([name, { n, p50, p99 }]) => [name, n, p50, p99]),
  );

/** Prints tables; the last line is one JSON object with all figures, times in milliseconds. A missed goal is told, not thrown. */
export const benchControlPlane = async (options: ControlPlaneOptions): Promise<void> => {
  const { print = console.log, jobs, atOnce } = options;
  const plane = await startControlPlane((line) => print(`  ${line}`));
  try {
    const measured = await unlessInterrupted(() => measure(plane, options));
    const { bare, roomy, queued, alone } = measured;
    print(`\n${renderRounds(measured)}\n\n${renderActivities(measured)}\n`);
    const met = { jobsPerMinute: roomy.perMinute >= goals.jobsPerMinute, accepted: alone.accepted.p50 <= goals.accepted };
    print(`goal ≥ ${goals.jobsPerMinute} jobs a minute: ${met.jobsPerMinute ? 'met' : 'missed'}`);
    print(`goal accepted ≤ ${goals.accepted} ms at the median, one at a time: ${met.accepted ? 'met' : 'missed'}`);
    const ratios = { roomy: round(roomy.perMinute / bare.perMinute, 2), queued: round(queued.perMinute / bare.perMinute, 2) };
    print(JSON.stringify({ benchmark: 'controlPlane', jobs, atOnce, ...measured, ratios, goals, met }));
  } finally {
    await plane.close();
  }
};
