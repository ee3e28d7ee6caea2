/** Watches a job as a consumer does: its status, and its log while it runs. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer } from './consumer.ts';
import type { ClientJob } from './clientTypes.ts';

/** What happens to a job, as it happens. */
export interface JobListener {
  onStatus?(job: ClientJob): void;
  /** one line of the algorithm's log, without its line break */
  onLogLine?(line: string): void;
}

const running = 40;
const settling = 71;

/** Splits pieces of text into lines; the rest is given by `end`. */
const createLines = (onLine: (line: string) => void): { push(text: string): void; end(): void } => {
  let rest = '';
  return {
    push: (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      lines.forEach(onLine);
    },
    end: () => {
      if (rest !== '') onLine(rest);
      rest = '';
    },
  };
};

const streamLog = async (consumer: Consumer, jobId: string, listener: JobListener): Promise<void> => {
  const lines = createLines((line) => listener.onLogLine?.(line));
  try {
    await consumer.computeStreamableLogs(jobId, (text) => lines.push(text));
  } catch {
    // the job has ended meanwhile: its log is among the results
  }
  lines.end();
};

/**
 * Follows a job to its end.
 * @param options.pollMs the client library has no push: milliseconds between two looks
 * @returns the job as it was first seen with `dateFinished` and a final status
 * @throws Error after `patienceMs`, or when the job is unknown
 */
export const followJob = async (
  consumer: Consumer,
  jobId: string,
  { pollMs = 100, patienceMs = 120_000, ...listener }: JobListener & { readonly pollMs?: number; readonly patienceMs?: number } = {},
): Promise<ClientJob> => {
  const deadline = performance.now() + patienceMs;
  let log: Promise<void> | undefined;
  let last = -1;
  for (;;) {
    const [job] = await consumer.computeStatus({ jobId });
    if (job === undefined) throw new Error(`the service does not know the job ${jobId}`);
    if (job.status !== last) listener.onStatus?.(job);
    last = job.status;
    if (job.status >= running && job.dateFinished === null && listener.onLogLine !== undefined)
      log ??= streamLog(consumer, jobId, listener);
    if (job.dateFinished !== null && job.status !== settling) {
      await log;
      return job;
    }
    if (performance.now() > deadline) throw new Error(`the job is still "${job.statusText}" after ${Math.round(patienceMs / 1_000)} s`);
    await delay(pollMs);
  }
};
