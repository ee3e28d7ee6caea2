/** `GET /api/v1/jobs/{id}/events`: what happens to a job, as server-sent events. */

import { setTimeout as delay } from 'node:timers/promises';
import type { RequestHandler, Response } from 'express';
import { z } from 'zod';
import { createBell } from '../bell.ts';
import type { ApiDeps, JobLedger } from '../ports.ts';
import type { Route } from '../route.ts';
import { endOf, sendPiece } from '../streaming.ts';
import { addressOf, requireOwnJob, requireToken } from './access.ts';
import { encodeEvent, eventsSince, isEnd, parsePosition, type StreamPosition } from './eventStream.ts';
import { jobParams } from './readJob.ts';

/** A log that grows announces itself, too: the ledger is not asked more often than this for one stream. */
const shortestPauseMs = 200;
/** Between two signs of life of a stream: shorter than what proxies take for silence. */
const usualHeartbeatMs = 15_000;
const reconnectMs = 2_000;

interface Stream {
  readonly ledger: Pick<JobLedger, 'readJob' | 'watchJob'>;
  readonly jobId: string;
  readonly position: StreamPosition | null;
  readonly signal: AbortSignal;
  readonly heartbeatMs?: number;
}

/** Texts to send, as they come: events, and a comment where nothing has happened for a while. Ends with the job. */
export const followJob = async function* ({
  ledger,
  jobId,
  position: from,
  signal,
  heartbeatMs = usualHeartbeatMs,
}: Stream): AsyncGenerator<string> {
  const bell = createBell();
  const unwatch = ledger.watchJob(jobId, bell.ring);
  signal.addEventListener('abort', bell.ring);
  let position = from;
  let saidAt = performance.now();
  try {
    while (!signal.aborted) {
      const row = await ledger.readJob(jobId);
      if (row === null) return;
      const events = eventsSince(row, position, Date.now());
      const text =
        events.length === 0 && performance.now() - saidAt >= heartbeatMs ? ': nothing new\n\n' : events.map(encodeEvent).join('');
      if (text !== '') {
        saidAt = performance.now();
        yield text;
      }
      position = events.at(-1)?.position ?? position;
      if (row.finishedAtMs !== null) return;
      await delay(shortestPauseMs, undefined, { signal }).catch(() => undefined);
      await bell.wait();
    }
  } finally {
    signal.removeEventListener('abort', bell.ring);
    unwatch();
  }
};

const open = (res: Response): void => {
  // the connection ends with the stream: a process that drains need not wait for it to be idle long enough
  res.status(200).set({ 'Cache-Control': 'private, no-store', 'X-Accel-Buffering': 'no', Connection: 'close' });
  res.setHeader('Content-Type', 'text/event-stream; charset=utf-8');
  res.flushHeaders();
};

/** For the owner. Who comes back with the id of the last event of all gets 204, which ends the coming back. */
export const streamEvents = ({ ledger, ending, load }: Pick<ApiDeps, 'ledger' | 'ending' | 'load'>): RequestHandler =>
  async function streamEvents(req, res) {
    const { jobId, finishedAtMs } = await requireOwnJob(ledger, req, addressOf(res));
    const position = parsePosition(req.get('last-event-id'));
    if (finishedAtMs !== null && isEnd(position)) {
      res.status(204).end();
      return;
    }
    load.openStream(res, addressOf(res));
    open(res);
    const signal = endOf(res, ending);
    await sendPiece(res, `retry: ${reconnectMs}\n\n`, signal);
    for await (const text of followJob({ ledger, jobId, position, signal })) await sendPiece(res, text, signal);
    res.end();
  };

export const streamEventsRoute: Route = {
  method: 'get',
  path: '/api/v1/jobs/:id/events',
  id: 'streamEvents',
  summary: 'What happens to a job, as server-sent events',
  description:
    '`status`: a state was reached. `progress`: place in the queue, reason or progress changed. `end`: the job as it ended, then the stream ends. A client that comes back with `Last-Event-ID` is told what it has missed.',
  params: jobParams,
  headers: z.object({ 'Last-Event-ID': z.string().optional() }),
  answers: {
    200: { description: 'Events', contentType: 'text/event-stream', schema: z.string() },
    204: { description: 'The job has ended and everything has been told', contentType: 'text/plain', schema: z.literal('') },
  },
  refusals: [401, 404, 405],
  refuseHead: true,
  needsToken: true,
  handle: (deps) => [requireToken(deps), streamEvents(deps)],
};
