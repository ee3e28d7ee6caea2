/** The first half of `npm run bench:api`: statuses asked for by schedule, beside a bare route that answers the same bytes. */

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createCleanups, type Cleanups } from '../../infra/toolchain/cleanups.ts';
import { findFreePorts } from '../../infra/toolchain/program.ts';
import { round, summarize, type Summary } from './figures.ts';
import { unlessInterrupted } from './interruption.ts';
import { requireWhole, runLoad, type LoadResult, type PlannedRequest } from './load.ts';
import { startLonelyApi, startServer, type LonelyApi } from './lonelyApi.ts';
import { storeJobs, type StoredJob } from './storedJobs.ts';

/** How it is run. */
export interface StatusBenchOptions {
  readonly storedJobs: number;
  readonly perSecond: number;
  /** of each route, and of each floor */
  readonly seconds: number;
  readonly print: (line: string) => void;
}

/** One of those who answer. */
interface Answerer {
  readonly name: StatusRoute;
  readonly url: string;
  readonly pid: number;
  requestOf(job: StoredJob): PlannedRequest;
}

type StatusRoute = 'node' | 'nodeFloor' | 'v1' | 'v1Floor';

/** Figures of one of them, milliseconds. */
export interface StatusFigures extends Summary {
  /** by how much requests were sent too late: the generator's own share of the latency */
  readonly lateness: Summary;
  readonly cpuPerRequest: number | null;
}

const slices = 3;
const warmUpSeconds = 2;
const connections = 64;

const askNode = ({ jobId }: StoredJob): PlannedRequest => ({ method: 'GET', path: `/api/services/compute?jobId=${jobId}` });

const askV1 = ({ jobId, token }: StoredJob): PlannedRequest => ({
  method: 'GET',
  path: `/api/v1/jobs/${jobId}`,
  headers: { authorization: `Bearer ${token}` },
});

/** What the API answers to a request, as it came. */
const readAnswer = async ({ url }: LonelyApi, { path: target, headers = {} }: PlannedRequest): Promise<string> => {
  const response = await fetch(`${url}${target}`, { headers });
  if (!response.ok) throw new Error(`${target} was answered with ${response.status}: ${await response.text()}`);
  return response.text();
};

/** A bare server that answers each route's bytes. */
const startFloor = async ({ folder }: LonelyApi, bodies: readonly string[], cleanups: Cleanups) => {
  const files = bodies.map((_, index) => path.join(folder, `floor-${index}.json`));
  for (const [index, file] of files.entries()) await writeFile(file, bodies[index] ?? '');
  const [port = 0] = await findFreePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const args = ['test/bench/bareServer.ts', String(port), ...files];
  const { pid } = await startServer({ name: 'floor', args, env: {}, url: `${url}/0`, folder }, cleanups);
  return { url, pid };
};

const findAnswerers = async (
  api: LonelyApi,
  job: StoredJob,
  cleanups: Cleanups,
): Promise<{ answerers: readonly Answerer[]; leastBytes: number }> => {
  const bodies = [await readAnswer(api, askNode(job)), await readAnswer(api, askV1(job))];
  const floor = await startFloor(api, bodies, cleanups);
  const { url, pid } = api;
  return {
    answerers: [
      { name: 'nodeFloor', ...floor, requestOf: () => ({ method: 'GET', path: '/0' }) },
      { name: 'node', url, pid, requestOf: askNode },
      { name: 'v1Floor', ...floor, requestOf: () => ({ method: 'GET', path: '/1' }) },
      { name: 'v1', url, pid, requestOf: askV1 },
    ],
    // texts differ a little from job to job
    leastBytes: Math.min(...bodies.map((body) => body.length)) - 100,
  };
};

const summarizeAll = (results: readonly LoadResult[]): StatusFigures => {
  const cpu = results.map(({ cpuPerRequest }) => cpuPerRequest ?? Number.NaN);
  const mean = cpu.reduce((sum, each) => sum + each, 0) / cpu.length;
  return {
    ...summarize(results.flatMap(({ latencies }) => latencies)),
    lateness: summarize(results.flatMap(({ lateness }) => lateness)),
    cpuPerRequest: Number.isNaN(mean) ? null : round(mean, 3),
  };
};

const measure = async (api: LonelyApi, options: StatusBenchOptions, cleanups: Cleanups): Promise<Record<StatusRoute, StatusFigures>> => {
  const { storedJobs, perSecond, seconds, print } = options;
  print(`  storing ${storedJobs} jobs`);
  const stored = await storeJobs(api, storedJobs);
  const [first] = await stored.sample(1);
  if (first === undefined) throw new Error('there is no job in the ledger');
  const { answerers, leastBytes } = await findAnswerers(api, first, cleanups);
  const results: Record<StatusRoute, LoadResult[]> = { node: [], nodeFloor: [], v1: [], v1Floor: [] };
  const warmUps = warmUpSeconds * perSecond;
  for (let slice = 1; slice <= slices; slice += 1) {
    // in turn: what else the machine does at a time slows down all of them
    for (const { name, url, pid, requestOf } of answerers) {
      const jobs = await stored.sample(warmUps + Math.ceil((seconds * perSecond) / slices));
      const plan = { url, perSecond, connections, warmUps, requests: jobs.map(requestOf) };
      const result = await runLoad(plan, { folder: api.folder, pid });
      requireWhole(result, leastBytes);
      results[name].push(result);
    }
    print(`  ${slice} of ${slices} rounds`);
  }
  return {
    node: summarizeAll(results.node),
    nodeFloor: summarizeAll(results.nodeFloor),
    v1: summarizeAll(results.v1),
    v1Floor: summarizeAll(results.v1Floor),
  };
};

/** Measures both routes; nothing is left afterwards. */
export const benchStatus = async (
  options: StatusBenchOptions,
): Promise<Record<StatusRoute, StatusFigures> & { readonly temporalCalls: number }> => {
  const cleanups = createCleanups();
  try {
    const api = await startLonelyApi(cleanups, (line) => options.print(`  ${line}`));
    const figures = await unlessInterrupted(() => measure(api, options, cleanups));
    return { ...figures, temporalCalls: api.temporalCalls() };
  } finally {
    await cleanups.run();
  }
};
