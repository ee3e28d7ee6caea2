/** `npm run bench:control-plane`: how many jobs a minute Temporal, ledger and one orchestrator carry, beside bare workflows. */

import { randomBytes } from 'node:crypto';
import { computeEnvironment } from '../../infra/environments/environments.ts';
import { createJobStarter } from '../../infra/temporal/jobStarter.ts';
import { jobWorkflowId } from '../../workflows/contract/ids.ts';
import { aSpec } from '../support/builders.ts';
import { bareActivityIds } from './bareWorkflows.ts';
import { bareQueue, reportBare, startControlPlane, type ControlPlane } from './controlPlane.ts';
import { renderTable, round, summarize, type Summary } from './figures.ts';

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
}

const environment = computeEnvironment.parse({ id: 'bench', free: {} });

/** As the API does it: the row and the nonce first, then the workflow; the end is the workflow's own. */
const runJob = async ({ client, ledger }: ControlPlane): Promise<Times> => {
  const starter = createJobStarter({ client, heartbeatSeconds: 12 });
  const spec = aSpec({ environmentId: environment.id, isFree: true, queueMaxWaitTime: 600 });
  const startedAt = performance.now();
  await ledger.reserveJob({ spec, nonce: '1' });
  const outcome = await starter.start({ spec, environment });
  if (outcome.kind !== 'accepted') throw new Error(`a job was not accepted: ${JSON.stringify(outcome)}`);
  const accepted = performance.now() - startedAt;
  await client.workflow.getHandle(jobWorkflowId(spec.jobId)).result();
  return { accepted, ended: performance.now() - startedAt };
};

const runBare = async ({ client }: ControlPlane): Promise<Times> => {
  const workflowId = `bare/${randomBytes(16).toString('hex')}`;
  const startedAt = performance.now();
  const handle = await client.workflow.start('bareJob', { workflowId, taskQueue: bareQueue });
  const accepted = performance.now() - startedAt;
  for (const activityId of bareActivityIds) await reportBare(client, workflowId, activityId);
  await handle.result();
  return { accepted, ended: performance.now() - startedAt };
};

/** Always as many under way as asked for. */
const runRound = async ({ jobs, atOnce }: ControlPlaneOptions, run: () => Promise<Times>): Promise<Round> => {
  const times: Times[] = [];
  let left = jobs;
  const runInTurn = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      times.push(await run());
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: atOnce }, runInTurn));
  const minutes = (performance.now() - startedAt) / 60_000;
  return {
    perMinute: round(jobs / minutes, 0),
    accepted: summarize(times.map(({ accepted }) => accepted)),
    ended: summarize(times.map(({ ended }) => ended)),
  };
};

/** Rounds by name: the floor; as many places as jobs; places for a tenth of them, so that nine of ten are queued. */
const measure = async (plane: ControlPlane, options: ControlPlaneOptions) => {
  const { world } = plane;
  const withPlaces = (places: number, round_: ControlPlaneOptions): Promise<Round> => {
    world.places = places;
    return runRound(round_, () => runJob(plane));
  };
  await withPlaces(options.atOnce, { ...options, jobs: options.atOnce * 2 });
  const bare = await runRound(options, () => runBare(plane));
  const roomy = await withPlaces(options.atOnce, options);
  const queued = await withPlaces(Math.max(1, Math.round(options.atOnce / 10)), options);
  const alone = await withPlaces(options.atOnce, { jobs: Math.max(20, Math.round(options.jobs / 10)), atOnce: 1 });
  if (world.problems.length > 0) throw new Error(`agents had trouble: ${String(world.problems[0])}`);
  return { bare, roomy, queued, alone };
};

const rowOf = (name: string, { perMinute, accepted, ended }: Round, floor: Round): readonly (string | number)[] => [
  name,
  perMinute,
  round(perMinute / floor.perMinute, 2),
  ...[accepted.p50, accepted.p99, ended.p50, ended.p99],
];

/** Prints a table; the last line is one JSON object with all figures, times in milliseconds. A missed goal is told, not thrown. */
export const benchControlPlane = async (options: ControlPlaneOptions): Promise<void> => {
  const { print = console.log, jobs, atOnce } = options;
  const plane = await startControlPlane((line) => print(`  ${line}`));
  try {
    const rounds = await measure(plane, options);
    const { bare, roomy, queued, alone } = rounds;
    print('');
    print(
      renderTable(
        ['', 'jobs/min', 'ratio', 'accepted p50', 'p99', 'ended p50', 'p99'],
        [
          rowOf('bare workflows', bare, bare),
          rowOf('jobs, a place for each', roomy, bare),
          rowOf('jobs, nine of ten queued', queued, bare),
          rowOf('jobs, one at a time', alone, bare),
        ],
      ),
    );
    print('');
    const met = { jobsPerMinute: roomy.perMinute >= goals.jobsPerMinute, accepted: alone.accepted.p50 <= goals.accepted };
    print(`goal ≥ ${goals.jobsPerMinute} jobs a minute: ${met.jobsPerMinute ? 'met' : 'missed'}`);
    print(`goal accepted ≤ ${goals.accepted} ms at the median, one at a time: ${met.accepted ? 'met' : 'missed'}`);
    const ratios = { roomy: round(roomy.perMinute / bare.perMinute, 2), queued: round(queued.perMinute / bare.perMinute, 2) };
    print(JSON.stringify({ benchmark: 'controlPlane', jobs, atOnce, ...rounds, ratios, goals, met }));
  } finally {
    await plane.close();
  }
};
