/** `npm run bench:api`: how soon the API answers at a given rate, beside bare routes and the parts of the work. */

import { renderTable, round } from './figures.ts';
import { benchStatus, type StatusFigures } from './status.bench.ts';

/** How it is run. */
export interface ApiBenchOptions {
  readonly storedJobs: number;
  readonly statusPerSecond: number;
  readonly startsPerSecond: number;
  readonly seconds: number;
  readonly print?: (line: string) => void;
}

/** In milliseconds, at the 99th percentile. */
const goals = { status: 10 } as const;

type Statuses = Awaited<ReturnType<typeof benchStatus>>;

const ratioOf = (figures: StatusFigures, floor: StatusFigures): number => round(figures.p99 / floor.p99, 2);

const renderStatuses = ({ node, nodeFloor, v1, v1Floor }: Statuses): string => {
  const row = (name: string, { p50, p99, max, lateness, cpuPerRequest }: StatusFigures, ratio: number | string) => [
    ...[name, p50, p99, max, ratio],
    ...[lateness.p99, cpuPerRequest ?? 'unknown'],
  ];
  return renderTable(
    ['status, milliseconds', 'p50', 'p99', 'max', 'p99 ratio', 'sent late p99', 'cpu each'],
    [
      row('GET /api/services/compute?jobId=', node, ratioOf(node, nodeFloor)),
      row('bare route, same bytes', nodeFloor, ''),
      row('GET /api/v1/jobs/{id}', v1, ratioOf(v1, v1Floor)),
      row('bare route, same bytes', v1Floor, ''),
    ],
  );
};

/** Prints tables; the last line is one JSON object with all figures, in milliseconds. A missed goal is told, not thrown. */
export const benchApi = async ({ print = console.log, ...options }: ApiBenchOptions): Promise<void> => {
  const { storedJobs, statusPerSecond, seconds } = options;
  print(`${statusPerSecond} statuses a second, ${storedJobs} jobs in the ledger, no Temporal`);
  const statuses = await benchStatus({ storedJobs, perSecond: statusPerSecond, seconds, print });
  const verdicts = {
    node: { goal: goals.status, met: statuses.node.p99 <= goals.status },
    v1: { goal: goals.status, met: statuses.v1.p99 <= goals.status },
    temporalCalls: { goal: 0, met: statuses.temporalCalls === 0 },
  };
  print('');
  print(renderStatuses(statuses));
  print('');
  print(`goal p99 of a status ≤ ${goals.status} ms: ${verdicts.node.met && verdicts.v1.met ? 'met' : 'missed'}`);
  print(`goal no call of Temporal: ${statuses.temporalCalls} were made`);
  print(JSON.stringify({ benchmark: 'api', ...options, statuses, goals: verdicts }));
};
