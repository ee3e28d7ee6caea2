/** `npm run test:fuzz`: Schemathesis against each API, from the descriptions that the APIs serve. */

import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { createCleanups } from '../../infra/toolchain/cleanups.ts';
import { describePart } from '../../infra/toolchain/parts.ts';
import { startPostgres } from '../../infra/toolchain/postgres.ts';
import { ensureSchemathesis } from '../../infra/toolchain/schemathesis.ts';
import { offerThings } from './offers.ts';
import { openService, surfaceNames, type Service, type SurfaceName } from './service.ts';
import { prepareThings, type Things } from './things.ts';
import { summarise, type Summary } from './summary.ts';

/** How it is run. */
export interface FuzzOptions {
  /** the same seed asks the same questions */
  readonly seed: number;
  /** fewest cases for each API */
  readonly cases: number;
  /** which APIs; default: all */
  readonly surfaces?: readonly string[];
  readonly print?: (line: string) => void;
}

const checks = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
  'response_headers_conformance',
];
/** of the cases; at least as many as the rest are systematic ones, whose number depends on the description alone */
const fuzzedShare = 0.8;
const patienceMs = 240_000;

interface Run {
  readonly name: SurfaceName;
  readonly service: Service;
  readonly things: Things;
  readonly python: string;
  readonly folder: string;
  readonly options: FuzzOptions;
  readonly signal: AbortSignal;
}

const argumentsOf = ({ name, service, things, folder, options }: Run): readonly string[] => {
  const { front, description } = service.surfaces[name];
  const calls = Object.values(description.paths ?? {}).reduce((sum, item) => sum + Object.keys(item).length, 0);
  return [
    ...['-m', 'schemathesis.cli', 'run', path.join(folder, `${name}.json`), '--url', front.url],
    ...['--seed', String(options.seed), '--max-examples', String(Math.ceil((options.cases / calls) * fuzzedShare))],
    ...['--phases', 'examples,coverage,fuzzing', '--checks', checks.join(','), '--generation-database', 'none'],
    ...['--continue-on-failure', '--suppress-health-check', 'all', '--warnings', 'off', '--no-color'],
    ...['--max-redirects', '0', '--request-timeout', '20', '--workers', '1'],
    ...Object.entries(things.headers).flatMap(([header, value]) => ['--header', `${header}: ${value}`]),
  ];
};

/** One API: prints what the fuzzer found, if anything. */
const fuzzSurface = async (run: Run): Promise<Summary> => {
  const { name, service, things, python, folder, options, signal } = run;
  const { front, description } = service.surfaces[name];
  await writeFile(path.join(folder, `${name}.json`), JSON.stringify(offerThings(description, things.offers)));
  front.reset();
  const startedAt = performance.now();
  const { exitCode, all, timedOut } = await execa(python, argumentsOf(run), {
    ...{ cwd: folder, reject: false, all: true, stdin: 'ignore', timeout: patienceMs, cancelSignal: signal },
    // its requests are for this machine, whatever proxy others are to use
    env: { NO_PROXY: '*', no_proxy: '*', HOME: folder, PYTHONHASHSEED: '0' },
  });
  signal.throwIfAborted();
  if (process.env.C2D_FUZZ_DEBUG) console.log(name, JSON.stringify(front.tally(), null, 1));
  const isWell = exitCode === 0 && !timedOut;
  if (!isWell) (options.print ?? console.log)(`${name}: schemathesis ${timedOut ? 'took too long' : `ended with ${exitCode}`}\n${all}`);
  return summarise({
    name,
    tally: front.tally(),
    description,
    wanted: options.cases,
    isWell,
    seconds: (performance.now() - startedAt) / 1_000,
  });
};

const chooseSurfaces = (names: readonly string[] = surfaceNames): readonly SurfaceName[] => {
  const unknown = names.find((name) => !surfaceNames.some((known) => known === name));
  if (unknown !== undefined) throw new RangeError(`there is no API ${unknown}; there are ${surfaceNames.join(', ')}`);
  return surfaceNames.filter((name) => names.includes(name));
};

const interruption = (): { readonly signal: AbortSignal; stop(): void } => {
  const controller = new AbortController();
  const abort = (): void => controller.abort(new Error('the run was interrupted'));
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) process.on(name, abort);
  return { signal: controller.signal, stop: () => names.forEach((name) => process.removeListener(name, abort)) };
};

/**
 * Starts the APIs, fuzzes one after the other, and prints a line for each at the end. Nothing of it stays, also after Ctrl-C.
 * @returns true when nothing was found and every API was asked often enough
 * @throws MissingPart; RangeError for an unknown API
 */
export const runFuzz = async (options: FuzzOptions): Promise<boolean> => {
  const { print = console.log } = options;
  const names = chooseSurfaces(options.surfaces);
  const cleanups = createCleanups();
  const { signal, stop } = interruption();
  try {
    const schemathesis = await ensureSchemathesis(print);
    print(`${describePart(schemathesis)}, seed ${options.seed}`);
    const folder = await mkdtemp(path.join(tmpdir(), 'durable-c2d-fuzz-'));
    cleanups.add(() => rm(folder, { recursive: true, force: true }));
    await chmod(folder, 0o755); // the database server runs as another user
    const postgres = cleanups.own(
      await startPostgres({ dataFolder: path.join(folder, 'postgres'), logFile: path.join(folder, 'postgres.log') }),
    );
    process.env.C2D_TEST_DATABASE_URL = postgres.url;
    const service = cleanups.own(await openService());
    const things = await prepareThings(service);
    const summaries: Summary[] = [];
    for (const name of names) {
      signal.throwIfAborted();
      summaries.push(await fuzzSurface({ ...{ name, service, folder, options, signal }, things: things[name], python: schemathesis.path }));
    }
    for (const { line } of summaries) print(line);
    return summaries.every(({ isGood }) => isGood);
  } finally {
    await cleanups.run();
    stop();
  }
};
