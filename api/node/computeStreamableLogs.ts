/** `GET /api/services/computeStreamableLogs`: the algorithm's log, live, from its beginning. */

import { once } from 'node:events';
import type { RequestHandler, Response } from 'express';
import { z } from 'zod';
import { status } from '../../workflows/contract/status.ts';
import { authenticate } from '../authentication.ts';
import type { ApiDeps, JobLedger, JobRow } from '../ports.ts';
import { Refusal } from '../problems.ts';
import type { Route } from '../route.ts';
import { mayView, readJobId, requireJobIdText } from './jobIds.ts';
import { olderMessages, onlyIf } from './olderMessages.ts';

const pieceBytes = 64 * 1024;

/** A notification can be lost with its connection; after this long the ledger is asked without one. */
const patienceMs = 10_000;

/** True from the algorithm's first instruction until the job's end. */
const hasLiveLog = (row: JobRow | null): row is JobRow =>
  row !== null && row.admission === 'accepted' && row.finishedAtMs === null && row.status >= status.running;

interface LogStream {
  readonly ledger: Pick<JobLedger, 'readLog' | 'watchJob'>;
  readonly jobId: string;
  readonly signal: AbortSignal;
}

/** Remembers that something changed while nobody was waiting, so that no change is missed. */
const createBell = () => {
  let rung = false;
  let wake: (() => void) | undefined;
  return {
    ring: (): void => {
      rung = true;
      wake?.();
    },
    wait: async (): Promise<void> => {
      let timer: NodeJS.Timeout | undefined;
      if (!rung) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          timer = setTimeout(resolve, patienceMs);
        });
      }
      clearTimeout(timer);
      wake = undefined;
      rung = false;
    },
  };
};

/**
 * The log's pieces in order, until the job ends or `signal` is aborted. When a lost pod is replaced its successor's
 * log follows from the beginning.
 */
export const followLog = async function* ({ ledger, jobId, signal }: LogStream): AsyncGenerator<Buffer> {
  const bell = createBell();
  const unwatch = ledger.watchJob(jobId, bell.ring);
  signal.addEventListener('abort', bell.ring);
  try {
    let offset = 0;
    let podAttempt: number | undefined;
    while (!signal.aborted) {
      const piece = await ledger.readLog(jobId, offset, pieceBytes);
      if (podAttempt !== undefined && piece.podAttempt !== podAttempt && offset > 0) {
        podAttempt = piece.podAttempt;
        offset = 0;
        continue;
      }
      podAttempt = piece.podAttempt;
      offset += piece.bytes.length;
      if (piece.bytes.length > 0) yield piece.bytes;
      else if (piece.ended) return;
      else await bell.wait();
    }
  } finally {
    signal.removeEventListener('abort', bell.ring);
    unwatch();
  }
};

const endOf = (res: Response, ending: AbortSignal): AbortSignal => {
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  return AbortSignal.any([gone.signal, ending]);
};

/** Streams to the owner or a viewer, as fast as the client reads; a slow reader holds back only itself. */
export const streamLogs = ({
  ledger,
  ending,
  acceptsOlderMessages,
  ...deps
}: Pick<ApiDeps, 'ledger' | 'assets' | 'tokens' | 'ending' | 'acceptsOlderMessages'>): RequestHandler =>
  async function streamLogs(req, res) {
    const { consumerAddress, nonce, signature, jobId } = req.query;
    const wanted = requireJobIdText(jobId, 'getComputeStreamableLogs');
    const otherMessages = onlyIf(acceptsOlderMessages, olderMessages.logs(wanted));
    const claim = { consumerAddress, nonce, signature, authorization: req.get('authorization'), otherMessages };
    const caller = await authenticate({ ...deps, ledger }, claim, 'getComputeStreamableLogs');
    const id = readJobId(wanted);
    const row = id === null ? null : await ledger.readJob(id);
    if (row !== null && row.admission === 'accepted' && !mayView(row, caller.address)) {
      throw new Refusal(403, `${caller.address} is not authorized to get logs for job with id ${row.jobId}`);
    }
    if (!hasLiveLog(row)) throw new Refusal(404, 'Job not found or not running');
    res.status(200).set({ 'Cache-Control': 'private, no-store', 'X-Accel-Buffering': 'no' });
    res.setHeader('Content-Type', 'application/octet-stream');
    res.flushHeaders();
    const signal = endOf(res, ending);
    for await (const bytes of followLog({ ledger, jobId: row.jobId, signal })) {
      if (!res.write(bytes)) await once(res, 'drain', { signal }).catch(() => undefined);
    }
    res.end();
  };

export const computeStreamableLogsRoute: Route = {
  method: 'get',
  path: '/api/services/computeStreamableLogs',
  id: 'streamLogs',
  summary: "The running algorithm's log from its beginning; ends when the job ends",
  description: 'Signed by the owner or a viewer: `consumerAddress + nonce + "getComputeStreamableLogs"`, or with a token.',
  query: z.object({ consumerAddress: z.string(), nonce: z.string(), signature: z.string(), jobId: z.string() }),
  answers: {
    200: {
      description: 'Plain text, as it is written',
      contentType: 'application/octet-stream',
      schema: z.string().meta({ format: 'binary' }),
    },
  },
  refusals: [400, 401, 403, 404, 405],
  refuseHead: true,
  handle: (deps) => [streamLogs(deps)],
};
