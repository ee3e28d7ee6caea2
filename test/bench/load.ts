/** Load from a process of its own: what generates it must not wait for what it measures. */

import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runProgram } from '../../infra/toolchain/run.ts';

/** One request as it is sent. */
export interface PlannedRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Requests in the order in which they are due, evenly spread in time. */
export interface LoadPlan {
  readonly url: string;
  readonly perSecond: number;
  readonly connections: number;
  /** the first so many are sent, but count for nothing */
  readonly warmUps: number;
  readonly requests: readonly PlannedRequest[];
}

/** What came of them; times in milliseconds. */
export interface LoadResult {
  /** of each request, from the time at which it was due to the last byte of its answer */
  readonly latencies: readonly number[];
  /** how late each was sent: the generator's own share */
  readonly lateness: readonly number[];
  /** how many answers of each status, and how many failures of each kind */
  readonly answers: Readonly<Record<string, number>>;
  /** length of the shortest answer */
  readonly leastBytes: number;
  /** processor time that the process `pid` used meanwhile, by request; null where that cannot be seen */
  readonly cpuPerRequest?: number | null;
}

const patienceMs = 120_000;

/** Clock ticks of /proc in milliseconds: 100 a second on every Linux. */
const tickMs = 10;

/** Processor time of a process so far, in milliseconds; null where there is no /proc. */
export const readCpuMs = async (pid: number): Promise<number | null> => {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // the name in brackets may hold spaces: utime and stime, the ended children's as well, are the 12th to 15th after it
  const ticks = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15)
    .map(Number);
  return ticks.length < 4 ? null : ticks.reduce((sum, each) => sum + each, 0) * tickMs;
};

/** The same of a process and its children, as of a database server and its sessions. */
export const readFamilyCpuMs = async (pid: number): Promise<number | null> => {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const times = await Promise.all([pid, ...children.split(' ').filter(Boolean).map(Number)].map(readCpuMs));
  return times[0] === null ? null : times.reduce<number>((sum, each) => sum + (each ?? 0), 0);
};

/**
 * Sends them all and waits for every answer.
 * @param folder where the plan may lie meanwhile
 * @param pid the process that answers
 */
export const runLoad = async (plan: LoadPlan, { folder, pid }: { readonly folder: string; readonly pid: number }): Promise<LoadResult> => {
  const file = path.join(folder, 'load.json');
  await writeFile(file, JSON.stringify(plan), { mode: 0o600 });
  try {
    const before = await readCpuMs(pid);
    const timeoutMs = Math.ceil((plan.requests.length * 1_000) / plan.perSecond) + patienceMs;
    const program = path.join(import.meta.dirname, 'loadGenerator.ts');
    const result = JSON.parse(await runProgram(process.execPath, [program, file], { timeoutMs })) as LoadResult;
    const after = await readCpuMs(pid);
    return { ...result, cpuPerRequest: before === null || after === null ? null : (after - before) / plan.requests.length };
  } finally {
    await rm(file, { force: true });
  }
};

/** @throws Error unless every answer was a 200 of at least so many bytes: refusals and empty lists are quick */
export const requireWhole = ({ answers, leastBytes }: LoadResult, bytes: number): void => {
  if (Object.keys(answers).join() !== '200') throw new Error(`not every answer was a 200: ${JSON.stringify(answers)}`);
  if (leastBytes < bytes) throw new Error(`an answer has ${leastBytes} bytes, less than the ${bytes} of a job`);
};
