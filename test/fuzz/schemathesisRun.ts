/** Schemathesis against one API. */

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { offerThings } from './offers.ts';
import type { Surface, SurfaceName } from './service.ts';
import { countCases, summarise, type Summary } from './summary.ts';
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
/** For one round; only what hangs takes so long. */
const patienceMs = 600_000;
const mostRounds = 5;
/** Some calls have too few parameters for so many different questions. */
const reserve = 1.1;

/** What one call of Schemathesis does. */
interface Round {
  readonly phases: string;
  readonly seed: number;
  /** for each call of the API */
  readonly invented: number;
}

const argumentsOf = ({ name, surface, things, folder }: Run, { phases, seed, invented }: Round): readonly string[] => [
  ...['-m', 'schemathesis.cli', 'run', path.join(folder, `${name}.json`), '--url', surface.front.url],
  ...['--seed', String(seed), '--max-examples', String(invented), '--phases', phases],
  ...['--checks', checks.join(','), '--generation-database', 'none', '--no-color'],
  ...['--continue-on-failure', '--suppress-health-check', 'all', '--warnings', 'off'],
  ...['--max-redirects', '0', '--request-timeout', '20', '--workers', '1'],
  ...Object.entries(things.headers).flatMap(([header, value]) => ['--header', `${header}: ${value}`]),
];

/** Prints what was found. @returns true when nothing was. @throws when the run was ended */
const runRound = async (run: Run, round: Round): Promise<boolean> => {
  const { name, python, folder, print, signal } = run;
  signal.throwIfAborted();
  const { exitCode, all, timedOut } = await execa(python, argumentsOf(run, round), {
    ...{ cwd: folder, reject: false, all: true, stdin: 'ignore', timeout: patienceMs, cancelSignal: signal },
    // its requests are for this machine, whatever proxy others are to use
    env: { NO_PROXY: '*', no_proxy: '*', HOME: folder, PYTHONHASHSEED: '0' },
  });
  signal.throwIfAborted();
  if (exitCode === 0) return true;
  print(`${name}: schemathesis ${timedOut ? 'took too long' : `ended with ${exitCode}`}\n${all}`);
  return false;
};

/** The systematic cases of the description, then as many invented ones as are missing, with the next seed each time. */
export const fuzzSurface = async (run: Run): Promise<Summary> => {
  const { name, surface, things, folder, seed, cases } = run;
  const { front, description } = surface;
  await writeFile(path.join(folder, `${name}.json`), JSON.stringify(offerThings(description, things.offers)));
  const calls = Object.values(description.paths ?? {}).reduce((sum, item) => sum + Object.keys(item).length, 0);
  front.reset();
  const startedAt = performance.now();
  let isWell = await runRound(run, { phases: 'examples,coverage', seed, invented: 1 });
  for (let count = 0; count < mostRounds && countCases(front.tally()) < cases; count += 1) {
    const missing = cases - countCases(front.tally());
    const invented = Math.ceil((missing / calls) * reserve);
    isWell = (await runRound(run, { phases: 'fuzzing', seed: seed + count, invented })) && isWell;
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  return summarise({ name, tally: front.tally(), description, wanted: cases, isWell, seconds });
};
