/** `GET /api/services/computeStreamableLogs`: the algorithm's log, live, from its beginning. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import { status } from '../../workflows/contract/status.ts';
import { authenticate } from '../authentication.ts';
import { followLog } from '../followLog.ts';
import type { ApiDeps, JobRow } from '../ports.ts';
import { Refusal } from '../problems.ts';
import type { Route } from '../route.ts';
import { endOf, sendPiece } from '../streaming.ts';
import { mayView, readJobId, requireJobIdText } from './jobIds.ts';
import { olderMessages, onlyIf } from './olderMessages.ts';

/** True from the algorithm's first instruction until the job's end. */
const hasLiveLog = (row: JobRow | null): row is JobRow =>
  row !== null && row.admission === 'accepted' && row.finishedAtMs === null && row.status >= status.running;

/** Streams to the owner or a viewer, as fast as the client reads; a slow reader holds back only itself. */
export const streamLogs = ({
  ledger,
  ending,
  load,
  acceptsOlderMessages,
  ...deps
}: Pick<ApiDeps, 'ledger' | 'assets' | 'tokens' | 'ending' | 'load' | 'acceptsOlderMessages'>): RequestHandler =>
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
    load.openStream(res, caller.address);
    res.status(200).set({ 'Cache-Control': 'private, no-store', 'X-Accel-Buffering': 'no' });
    res.setHeader('Content-Type', 'application/octet-stream');
    res.flushHeaders();
    const signal = endOf(res, ending);
    for await (const bytes of followLog({ ledger, jobId: row.jobId, signal })) await sendPiece(res, bytes, signal);
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
