/** One job that does nothing, timed from outside. */

import { setTimeout as delay } from 'node:timers/promises';
import { summarize, type Summary } from './figures.ts';
import { readTimes, trivialAlgorithm } from './floor.ts';
import { clockMs, readJob, type Stage } from './stage.ts';

/** Every look costs the two cores of a small machine what the job needs: shorter, and the measurement measures itself. */
const pollMs = 20;
const jobPatienceMs = 120_000;

/** Times of one job in milliseconds from its POST; `exitToTerminal` and `exitToResults` from the algorithm's exit. */
export interface JobTimes {
  readonly accepted: number;
  readonly firstInstruction: number;
  readonly exitToTerminal: number;
  readonly exitToResults: number;
  readonly terminal: number;
  readonly results: number;
  readonly removed: number;
}

/** What such a job gets: cores and GiB. */
export const trivialResources = { cpu: 1, ram: 1, disk: 1 } as const;

/** The algorithm that a consumer brings along: code for the image with `node`. */
const rawAlgorithm = (image: string) => {
  const at = image.lastIndexOf(':');
  const container = { entrypoint: 'node $ALGO', image: image.slice(0, at), tag: image.slice(at + 1), checksum: '' };
  return { meta: { rawcode: trivialAlgorithm, container } };
};

/** Runs one, by default in the first environment. @param awaitTeardown resolves with the time when nothing of the job is left where pods run */
export const runTrivialJob = async (
  { stack, client, image }: Stage,
  awaitTeardown: (jobId: string) => Promise<number>,
  environment?: string,
): Promise<JobTimes> => {
  const resources = Object.entries(trivialResources).map(([id, amount]) => ({ id, amount }));
  const { jobId, postedAtMs, acceptedAtMs } = await client.start({ algorithm: rawAlgorithm(image), resources, environment });
  const { terminalAtMs, resultsAtMs, logIndex } = await followJob(stack, jobId);
  const removedAtMs = await awaitTeardown(jobId);
  const { firstAtMs, exitAtMs } = readTimes((await client.result(jobId, logIndex)).toString());
  return {
    accepted: acceptedAtMs - postedAtMs,
    firstInstruction: firstAtMs - postedAtMs,
    exitToTerminal: terminalAtMs - exitAtMs,
    exitToResults: resultsAtMs - exitAtMs,
    terminal: terminalAtMs - postedAtMs,
    results: resultsAtMs - postedAtMs,
    removed: removedAtMs - postedAtMs,
  };
};

/** Looks until the job has ended and its results are listed. */
const followJob = async (stack: Stage['stack'], jobId: string) => {
  const deadline = performance.now() + jobPatienceMs;
  let resultsAtMs: number | undefined;
  let terminalAtMs: number | undefined;
  for (;;) {
    const job = await readJob(stack, jobId);
    const now = clockMs();
    if (job.results.length > 0) resultsAtMs ??= now;
    if (job.dateFinished !== null) terminalAtMs ??= now;
    if (terminalAtMs !== undefined && job.status !== 70) throw new Error(`a job ended with status ${job.status}, ${job.statusText}`);
    if (resultsAtMs !== undefined && terminalAtMs !== undefined) {
      const logIndex = job.results.find(({ type }) => type === 'algorithmLog')?.index ?? 0;
      return { resultsAtMs, terminalAtMs, logIndex };
    }
    if (performance.now() > deadline) throw new Error(`a job is still "${job.statusText}" after ${jobPatienceMs / 1_000} s`);
    await delay(pollMs);
  }
};

/** Summary of one quantity of all runs. */
export const pick = <Key extends string>(list: readonly Readonly<Record<Key, number>>[], key: Key): Summary =>
  summarize(list.map((times) => times[key]));

/** Summaries of all times of jobs. */
export const summarizeJobs = (jobs: readonly JobTimes[]) => ({
  accepted: pick(jobs, 'accepted'),
  firstInstruction: pick(jobs, 'firstInstruction'),
  exitToTerminal: pick(jobs, 'exitToTerminal'),
  terminal: pick(jobs, 'terminal'),
  results: pick(jobs, 'results'),
  removed: pick(jobs, 'removed'),
});
