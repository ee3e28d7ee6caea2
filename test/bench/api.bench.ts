/** `npm run bench:api`: how soon the API answers at a given rate, beside bare routes and the parts of the work. */

import { renderTable, round } from './figures.ts';
import { benchStarts, type StartFigures, type StartPair, type StartsMeasured } from './start.bench.ts';
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

/** What the parts take together at the median; a free job's start reads no chain. */
const sumOf = ({ signature, chain, temporal, ledger }: StartsMeasured['parts'], isFree: boolean): number =>
  round(signature.p50 + (isFree ? 0 : chain.p50) + temporal.p50 + ledger.p50);

const renderStarts = ({ free, ordered, parts }: StartsMeasured, perSecond: number): string => {
  const row = (name: string, { p50, p99, max, answers }: StartFigures, parts50: number) => [
    ...[name, p50, p99, max, parts50, round(p50 / parts50, 2)],
    Object.entries(answers)
      .map(([status, count]) => `${count} × ${status}`)
      .join(', '),
  ];
  const rows = (name: string, { alone, loaded }: StartPair, isFree: boolean) => [
    row(`${name}, one at a time`, alone, sumOf(parts, isFree)),
    row(`${name}, ${perSecond} a second`, loaded, sumOf(parts, isFree)),
  ];
  return renderTable(
    ['POST to acceptance, milliseconds', 'p50', 'p99', 'max', 'parts p50', 'ratio', 'answers'],
    [...rows('with an order', ordered, false), ...rows('free', free, true)],
  );
};

const renderParts = ({ signature, chain, temporal, ledger }: StartsMeasured['parts']): string =>
  renderTable(
    ['part alone, milliseconds', 'p50', 'p99'],
    [
      ['signature', signature.p50, signature.p99],
      ['asset and order on chain', chain.p50, chain.p99],
      ['workflow with one empty activity', temporal.p50, temporal.p99],
      ['ledger', ledger.p50, ledger.p99],
    ],
  );

const printStatuses = (statuses: Statuses, print: (line: string) => void) => {
  const verdicts = {
    node: { goal: goals.status, met: statuses.node.p99 <= goals.status },
    v1: { goal: goals.status, met: statuses.v1.p99 <= goals.status },
    temporalCalls: { goal: 0, met: statuses.temporalCalls === 0 },
  };
  print(`\n${renderStatuses(statuses)}\n`);
  print(`goal p99 of a status ≤ ${goals.status} ms: ${verdicts.node.met && verdicts.v1.met ? 'met' : 'missed'}`);
  print(`goal no call of Temporal: ${statuses.temporalCalls} were made\n`);
  return verdicts;
};

/** Prints tables; the last line is one JSON object with all figures, in milliseconds. A missed goal is told, not thrown. */
export const benchApi = async ({ print = console.log, ...options }: ApiBenchOptions): Promise<void> => {
  const { storedJobs, statusPerSecond, startsPerSecond, seconds } = options;
  print(`${statusPerSecond} statuses a second, ${storedJobs} jobs in the ledger, no Temporal`);
  const statuses = await benchStatus({ storedJobs, perSecond: statusPerSecond, seconds, print });
  const verdicts = printStatuses(statuses, print);
  print(`${startsPerSecond} starts a second`);
  const starts = await benchStarts({ perSecond: startsPerSecond, seconds, print });
  print(`\n${renderStarts(starts, startsPerSecond)}\n\n${renderParts(starts.parts)}\n`);
  print(JSON.stringify({ benchmark: 'api', ...options, statuses, starts, goals: verdicts }));
};
