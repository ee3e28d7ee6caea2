/** `npm run test:fuzz`: Schemathesis against each API, from the descriptions that the APIs serve. */

import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createCleanups, settleAll, type Cleanups } from '../../infra/toolchain/cleanups.ts';
import { describePart } from '../../infra/toolchain/parts.ts';
import { startPostgres } from '../../infra/toolchain/postgres.ts';
import { ensureSchemathesis } from '../../infra/toolchain/schemathesis.ts';
import { fuzzSurface, type Run } from './schemathesisRun.ts';
import { openService, surfaceNames, type Service, type SurfaceName } from './service.ts';
import type { Summary } from './summary.ts';
import { prepareThings } from './things.ts';

/** How it is run. */
export interface FuzzOptions {
  /** the same seed asks the same questions */
  readonly seed: number;
  /** fewest cases for each API */
  readonly cases: number;
  /** which APIs; default: all */
  readonly surfaces?: readonly string[];
  readonly print: (line: string) => void;
}

/** Two at a time, on two processors. Whose nonces are one consumer's go one after the other, or they would overtake each other. */
const lanes = { first: ['node', 'classic'], second: ['v1', 'operator'] } as const satisfies Readonly<
  Record<string, readonly SurfaceName[]>
>;

const chooseSurfaces = (names: readonly string[] = surfaceNames): readonly SurfaceName[] => {
  const unknown = names.find((name) => !surfaceNames.some((known) => known === name));
  if (unknown !== undefined) throw new RangeError(`there is no API ${unknown}; there are ${surfaceNames.join(', ')}`);
  return surfaceNames.filter((name) => names.includes(name));
};

const interruption = (): { readonly signal: AbortSignal; stop(): void } => {
  const controller = new AbortController();
  const abort = (): void => controller.abort(new RangeError('the run was interrupted'));
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) process.on(name, abort);
  return { signal: controller.signal, stop: () => names.forEach((name) => process.removeListener(name, abort)) };
};

const startService = async (cleanups: Cleanups, folder: string): Promise<Service> => {
  const files = { dataFolder: path.join(folder, 'postgres'), logFile: path.join(folder, 'postgres.log') };
  process.env.C2D_TEST_DATABASE_URL = cleanups.own(await startPostgres(files)).url;
  return cleanups.own(await openService());
};

const makeFolder = async (cleanups: Cleanups): Promise<string> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'durable-c2d-fuzz-'));
  cleanups.add(() => rm(folder, { recursive: true, force: true }));
  await chmod(folder, 0o755); // the database server runs as another user
  return folder;
};

const fuzzService = async (
  service: Service,
  names: readonly SurfaceName[],
  shared: Omit<Run, 'name' | 'surface' | 'things'>,
): Promise<readonly Summary[]> => {
  const things = await prepareThings(service);
  const fuzzLane = async (lane: readonly SurfaceName[]): Promise<readonly (readonly [SurfaceName, Summary])[]> => {
    const summaries: (readonly [SurfaceName, Summary])[] = [];
    for (const name of lane.filter((each) => names.includes(each)))
      summaries.push([name, await fuzzSurface({ ...shared, name, surface: service.surfaces[name], things: things[name] })]);
    return summaries;
  };
  const { first, second } = await settleAll({ first: fuzzLane(lanes.first), second: fuzzLane(lanes.second) });
  const byName = new Map([...first, ...second]);
  return names.flatMap((name) => byName.get(name) ?? []);
};

/**
 * Starts the APIs, fuzzes them, and prints a line for each at the end. Nothing of it stays, also after Ctrl-C.
 * @returns true when nothing was found and every API was asked often enough
 * @throws MissingPart; RangeError for an unknown API, and when it was interrupted
 */
export const runFuzz = async ({ seed, cases, surfaces, print }: FuzzOptions): Promise<boolean> => {
  const names = chooseSurfaces(surfaces);
  const cleanups = createCleanups();
  const { signal, stop } = interruption();
  try {
    const schemathesis = await ensureSchemathesis(print);
    print(`${describePart(schemathesis)}, seed ${seed}`);
    const folder = await makeFolder(cleanups);
    const service = await startService(cleanups, folder);
    signal.throwIfAborted();
    const summaries = await fuzzService(service, names, { python: schemathesis.path, folder, seed, cases, print, signal });
    for (const { line } of summaries) print(line);
    return summaries.every(({ isGood }) => isGood);
  } finally {
    await cleanups.run();
    stop();
  }
};
