/** `GET /api/v1/jobs/{id}/logs`: the algorithm's log, live or as it was kept. */

import { pipeline } from 'node:stream/promises';
import type { RequestHandler, Response } from 'express';
import { z } from 'zod';
import { followLog, readLogSoFar } from '../followLog.ts';
import type { ApiDeps, JobRow } from '../ports.ts';
import type { Route } from '../route.ts';
import { endOf, sendPiece } from '../streaming.ts';
import { addressOf, requireToken, requireViewableJob } from './access.ts';
import { CodedRefusal } from './problem.ts';
import { jobParams } from './readJob.ts';
import { refuseExpired } from './retention.ts';

const query = z.strictObject({
  follow: z.enum(['true', 'false']).default('false').meta({ description: 'true: goes on until the job ends' }),
  offset: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0).meta({ description: 'bytes to skip' }),
});

/** The file that was kept is the whole log; what the ledger has of an ended job may be gone. */
const sendKept = async (
  { results }: Pick<ApiDeps, 'results'>,
  { store, jobId, podAttempt, results: entries }: JobRow,
  { res, offset }: { readonly res: Response; readonly offset: number },
): Promise<boolean> => {
  const entry = entries.find(({ type }) => type === 'algorithmLog');
  if (entry === undefined) return false;
  res.set('Content-Length', String(Math.max(0, entry.filesize - offset)));
  if (offset >= entry.filesize) {
    res.end();
    return true;
  }
  const bytes = await results.read({ store, jobId, podAttempt, n: entry.n }, { start: offset, end: entry.filesize - 1 });
  await pipeline(bytes, res);
  return true;
};

/** Streams to the owner or a viewer. A job that has not begun yet has an empty log, and one to wait for. */
export const readLog = ({ ledger, results, ending, load }: Pick<ApiDeps, 'ledger' | 'results' | 'ending' | 'load'>): RequestHandler =>
  async function readLog(req, res) {
    const row = await requireViewableJob(ledger, req, addressOf(res));
    refuseExpired(row);
    const { follow, offset } = query.parse(req.query);
    if (row.results.some(({ type, plaintext }) => type === 'algorithmLog' && plaintext !== undefined))
      throw new CodedRefusal('NotFound', 404, 'The log is kept encrypted: it is the last of the results');
    if (follow === 'true') load.openStream(res, addressOf(res));
    res.status(200).set({ 'Cache-Control': 'private, no-store', 'X-Accel-Buffering': 'no' });
    res.setHeader('Content-Type', 'text/plain; charset=utf-8');
    if (row.finishedAtMs !== null && (await sendKept({ results }, row, { res, offset }))) return;
    res.flushHeaders();
    const signal = endOf(res, ending);
    const stream = { ledger, jobId: row.jobId, offset, signal };
    for await (const bytes of follow === 'true' ? followLog(stream) : readLogSoFar(stream)) await sendPiece(res, bytes, signal);
    // a log that the process could not follow to its end is cut off, so that nobody takes it for complete
    if (signal.aborted) res.destroy();
    else res.end();
  };

export const readLogRoute: Route = {
  method: 'get',
  path: '/api/v1/jobs/:id/logs',
  id: 'readLog',
  summary: "The algorithm's log from an offset on",
  description:
    'For the owner and viewers. A connection that is cut can be taken up again at the number of bytes that have come; when a lost pod is replaced, its log begins again at 0.',
  params: jobParams,
  query,
  answers: { 200: { description: 'Plain text, as it was written', contentType: 'text/plain', schema: z.string() } },
  refusals: [400, 401, 404, 405, 410, 503],
  refuseHead: true,
  needsToken: true,
  handle: (deps) => [requireToken(deps), readLog(deps)],
};
