/** Schemathesis against one API. */

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { offerThings } from './offers.ts';
import type { Surface, SurfaceName } from './service.ts';
import { summarise, type Summary } from './summary.ts';
import type { Things } from './things.ts';

/** What is run, and how. */
export interface Run {
  readonly name: SurfaceName;
  readonly surface: Surface;
  readonly things: Things;
  /** the interpreter that has Schemathesis */
  readonly python: string;
  /** for its files */
  readonly folder: string;
  readonly seed: number;
  /** fewest cases */
  readonly cases: number;
  readonly print: (line: string) => void;
  /** ends it */
  readonly signal: AbortSignal;
}

const checks = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
  'response_headers_conformance',
];
/** Of the cases; the rest are systematic ones, whose number depends on the description alone. */
const inventedShare = 0.8;
const patienceMs = 280_000;

const argumentsOf = ({ name, surface, things, folder, seed, cases }: Run): readonly string[] => {
  const calls = Object.values(surface.description.paths ?? {}).reduce((sum, item) => sum + Object.keys(item).length, 0);
  return [
    ...['-m', 'schemathesis.cli', 'run', path.join(folder, `${name}.json`), '--url', surface.front.url],
    ...['--seed', String(seed), '--max-examples', String(Math.ceil((cases / calls) * inventedShare))],
    ...['--phases', 'examples,coverage,fuzzing', '--checks', checks.join(','), '--generation-database', 'none'],
    ...['--continue-on-failure', '--suppress-health-check', 'all', '--warnings', 'off', '--no-color'],
    ...['--max-redirects', '0', '--request-timeout', '20', '--workers', '1'],
    ...Object.entries(things.headers).flatMap(([header, value]) => ['--header', `${header}: ${value}`]),
  ];
};

/** Prints what was found, if anything. @throws when it was ended */
export const fuzzSurface = async (run: Run): Promise<Summary> => {
  const { name, surface, things, python, folder, cases, print, signal } = run;
  const { front, description } = surface;
  await writeFile(path.join(folder, `${name}.json`), JSON.stringify(offerThings(description, things.offers)));
  signal.throwIfAborted();
  front.reset();
  const startedAt = performance.now();
  const { exitCode, all, timedOut } = await execa(python, argumentsOf(run), {
    ...{ cwd: folder, reject: false, all: true, stdin: 'ignore', timeout: patienceMs, cancelSignal: signal },
    // its requests are for this machine, whatever proxy others are to use
    env: { NO_PROXY: '*', no_proxy: '*', HOME: folder, PYTHONHASHSEED: '0' },
  });
  signal.throwIfAborted();
  const isWell = exitCode === 0 && !timedOut;
  if (!isWell) print(`${name}: schemathesis ${timedOut ? 'took too long' : `ended with ${exitCode}`}\n${all}`);
  const seconds = (performance.now() - startedAt) / 1_000;
  return summarise({ name, tally: front.tally(), description, wanted: cases, isWell, seconds });
};
