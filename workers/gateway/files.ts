/** `GET files/{n}`: the bytes of one planned file, from the data source through to the pod. */

import { pipeline } from 'node:stream/promises';
import type { Response } from 'express';
import type { FetchedFile, ResolveJob } from './jobFiles.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { PodHandler } from './podAuthentication.ts';
import type { EnvironmentOf, FileSource, OpenedFile } from './ports.ts';
import { Refusal } from './problems.ts';
import type { PlannedFile } from './protocol.ts';
import { requireEnvironment } from './plan.ts';
import { sourceProblem } from './sourceFailure.ts';
import { createWindow, parseStart } from './transfer.ts';

export interface FilesDeps {
  readonly resolveJob: ResolveJob;
  readonly source: FileSource;
  readonly environmentOf: EnvironmentOf;
  readonly metrics: GatewayMetrics;
}

const retrySeconds = 1;

/**
 * Streams in constant memory. 206 with exactly the bytes from the asked start on, also when the source ignores ranges.
 * A source that breaks off cuts the answer: the agent resumes where it stands.
 */
export const serveFile = (deps: FilesDeps): PodHandler =>
  async function serveFile(pod, req, res) {
    const { resolveJob, environmentOf } = deps;
    const start = parseStart(req.headers.range);
    const job = await resolveJob(pod.jobId);
    const found = job.files[/^\d{1,9}$/.test(String(req.params['n'])) ? Number(req.params['n']) : -1];
    if (found?.origin === undefined || found.origin === null) throw new Refusal(404, 'RequestInvalid', 'the plan has no such download');
    const { inputBytes } = requireEnvironment(environmentOf, job.spec.environmentId).limits;
    if (start > inputBytes) throw tooLarge(inputBytes);

    const aborter = new AbortController();
    res.once('close', () => aborter.abort());
    const fetched = job.sourceOf(found.origin);
    const opened = await openAt(deps, { fetched, role: found.planned.role, start, signal: aborter.signal });
    try {
      if (opened.sizeBytes !== null && opened.sizeBytes > inputBytes) throw tooLarge(inputBytes);
      if (opened.sizeBytes !== null && opened.sizeBytes < start) throw changed(found.planned, fetched.label);
    } catch (err) {
      opened.stream.destroy();
      throw err;
    }
    await sendFrom(opened, { start, inputBytes, res, metrics: deps.metrics });
  };

const tooLarge = (limit: number): Refusal =>
  new Refusal(413, 'InputTooLarge', `the inputs are larger than the ${limit} bytes that this environment takes`);

const changed = ({ role }: PlannedFile, label: string): Refusal =>
  new Refusal(
    424,
    role === 'algorithm' ? 'AlgorithmUnavailable' : 'InputUnavailable',
    `${label}: the file became shorter while it was fetched`,
  );

interface Opening {
  readonly fetched: FetchedFile;
  readonly role: PlannedFile['role'];
  readonly start: number;
  readonly signal: AbortSignal;
}

const openAt = async ({ source, metrics }: FilesDeps, { fetched, role, start, signal }: Opening): Promise<OpenedFile> => {
  const open = (from: number): Promise<OpenedFile> => source.open(fetched.file, { start: from, userdata: fetched.userdata, signal });
  try {
    try {
      const opened = await open(start);
      if (opened.start <= start) return opened;
      opened.stream.destroy();
    } catch (err) {
      // a source refuses a range beyond its end, or any: the whole file tells
      if (start === 0 || sourceProblem(err, role, fetched.label).retryable) throw err;
    }
    return await open(0);
  } catch (err) {
    const { type, message, retryable } = sourceProblem(err, role, fetched.label);
    metrics.sourceFailures.inc({ retryable: String(retryable) });
    throw new Refusal(retryable ? 502 : 424, type, message, retryable ? { retryAfterSeconds: retrySeconds } : {});
  }
};

interface Sending {
  readonly start: number;
  readonly inputBytes: number;
  readonly res: Response;
  readonly metrics: GatewayMetrics;
}

const sendFrom = async (opened: OpenedFile, { start, inputBytes, res, metrics }: Sending): Promise<void> => {
  const { sizeBytes } = opened;
  const expected = sizeBytes === null ? null : sizeBytes - start;
  res.status(start === 0 ? 200 : 206);
  res.set({ 'Content-Type': 'application/octet-stream', 'Cache-Control': 'no-store', 'Accept-Ranges': 'bytes' });
  if (expected !== null) res.set('Content-Length', String(expected));
  if (start > 0 && sizeBytes !== null && sizeBytes > start) res.set('Content-Range', `bytes ${start}-${sizeBytes - 1}/${sizeBytes}`);
  // the agent learns of a bad source by a cut answer, not by a whole one that is wrong
  const window = createWindow({
    skip: start - opened.start,
    expected,
    limit: inputBytes + 1 - start,
    onBytes: (count) => metrics.stagedBytes.inc(count),
  });
  res.flushHeaders();
  await pipeline(opened.stream, window, res);
};
