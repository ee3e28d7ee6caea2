/**
 * Run as a program: sends requests by schedule, whatever becomes of those before, and writes what came of them to its
 * standard output. `node loadGenerator.ts <file with a LoadPlan>`.
 */

import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import type { LoadPlan, LoadResult, PlannedRequest } from './load.ts';

/** Until the first request. */
const leadMs = 100;

/** Times in milliseconds, to a hundredth. */
const exact = (milliseconds: number): number => Math.round(milliseconds * 100) / 100;

const openResult = () => ({
  latencies: [] as number[],
  lateness: [] as number[],
  answers: {} as Record<string, number>,
  leastBytes: Infinity,
});

/** Sends one request and reads the whole answer. */
const send = async (
  pool: Pool,
  { method, path, headers = {}, body }: PlannedRequest,
): Promise<{ readonly name: string; readonly bytes: number }> => {
  try {
    const answer = await pool.request({ method, path, headers, body: body ?? null });
    return { name: String(answer.statusCode), bytes: (await answer.body.arrayBuffer()).byteLength };
  } catch (err) {
    return { name: err instanceof Error ? err.message : String(err), bytes: 0 };
  }
};

const run = async ({ url, perSecond, connections, warmUps, requests }: LoadPlan): Promise<LoadResult> => {
  const pool = new Pool(url, { connections, pipelining: 1 });
  const result = openResult();
  const startedAt = performance.now() + leadMs;
  const dueAt = (index: number): number => startedAt + (index * 1_000) / perSecond;
  const sendOne = async (request: PlannedRequest, index: number): Promise<void> => {
    const lateness = performance.now() - dueAt(index);
    const { name, bytes } = await send(pool, request);
    if (index < warmUps) return;
    result.lateness.push(exact(lateness));
    // from the time at which it was due: an answer that comes late must not delay the next question
    result.latencies.push(exact(performance.now() - dueAt(index)));
    result.answers[name] = (result.answers[name] ?? 0) + 1;
    result.leastBytes = Math.min(result.leastBytes, bytes);
  };
  const underWay: Promise<void>[] = [];
  for (const [index, request] of requests.entries()) {
    // never too early; timers may be
    for (let waitMs = dueAt(index) - performance.now(); waitMs > 0; waitMs = dueAt(index) - performance.now())
      await delay(Math.ceil(waitMs));
    underWay.push(sendOne(request, index));
  }
  await Promise.all(underWay);
  await pool.close();
  return result;
};

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: loadGenerator.ts <file>');
console.log(JSON.stringify(await run(JSON.parse(await readFile(file, 'utf8')) as LoadPlan)));
