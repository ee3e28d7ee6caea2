/**
 * Run as a program: sends requests by schedule, whatever becomes of those before, and writes what came of them to its
 * standard output. `node loadGenerator.ts <file with a LoadPlan>`.
 */

import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import type { LoadPlan, LoadResult, PlannedRequest } from './load.ts';

/** Times in milliseconds, to a hundredth. */
const exact = (milliseconds: number): number => Math.round(milliseconds * 100) / 100;

const openResult = () => ({ latencies: [] as number[], lateness: [] as number[], answers: {} as Record<string, number>, leastBytes: Infinity });

const run = async ({ url, perSecond, connections, warmUps, requests }: LoadPlan): Promise<LoadResult> => {
  const pool = new Pool(url, { connections, pipelining: 1 });
  const result = openResult();
  const sendOne = async ({ method, path, headers = {}, body }: PlannedRequest, dueAt: number, counts: boolean): Promise<void> => {
    if (counts) result.lateness.push(exact(performance.now() - dueAt));
    const outcome = await pool.request({ method, path, headers, body: body ?? null }).then(
      async (answer) => ({ name: String(answer.statusCode), bytes: (await answer.body.arrayBuffer()).byteLength }),
      (err: unknown) => ({ name: err instanceof Error ? err.message : String(err), bytes: 0 }),
    );
    if (!counts) return;
    // from the time at which it was due: an answer that comes late must not delay the next question
    result.latencies.push(exact(performance.now() - dueAt));
    result.answers[outcome.name] = (result.answers[outcome.name] ?? 0) + 1;
    result.leastBytes = Math.min(result.leastBytes, outcome.bytes);
  };
  const startedAt = performance.now() + 100;
  const dueAt = (index: number): number => startedAt + (index * 1_000) / perSecond;
  const under = new Set<Promise<void>>();
  for (let next = 0; next < requests.length; ) {
    for (; next < requests.length && dueAt(next) <= performance.now(); next += 1) {
      const request = requests[next];
      if (request === undefined) continue;
      const sent = sendOne(request, dueAt(next), next >= warmUps).finally(() => under.delete(sent));
      under.add(sent);
    }
    if (next < requests.length) await delay(Math.max(1, Math.floor(dueAt(next) - performance.now())));
  }
  await Promise.all(under);
  await pool.close();
  return result;
};

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: loadGenerator.ts <file>');
console.log(JSON.stringify(await run(JSON.parse(await readFile(file, 'utf8')) as LoadPlan)));
