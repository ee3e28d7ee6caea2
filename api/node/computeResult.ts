/** `GET /api/services/computeResult`: one published file, whole or in part. */

import { pipeline } from 'node:stream/promises';
import type { Request, RequestHandler, Response } from 'express';
import { z } from 'zod';
import type { ResultEntry } from '../../infra/ledger/ledger.ts';
import { authenticate } from '../authentication.ts';
import { chooseRange } from '../byteRange.ts';
import { attachmentNamed } from '../contentDisposition.ts';
import type { ApiDeps, JobRow } from '../ports.ts';
import { Refusal } from '../problems.ts';
import { expiryText, isExpired } from '../retention.ts';
import type { Route } from '../route.ts';
import { mayView, requireJob, requireJobIdText } from './jobIds.ts';
import { olderMessages, onlyIf } from './olderMessages.ts';

/** @throws Refusal 400 `Invalid result index` */
const readIndex = (value: unknown): number => {
  if (typeof value !== 'string' || !/^\d{1,9}$/.test(value)) throw new Refusal(400, 'Invalid result index');
  return Number(value);
};

/** @throws Refusal 404 */
export const findResult = (row: JobRow, index: number): ResultEntry => {
  if (isExpired(row)) throw new Refusal(404, expiryText(row));
  if (row.results.length === 0) throw new Refusal(404, `No results for job ${row.jobId}`);
  const entry = row.results.find((result) => result.index === index);
  if (entry === undefined) throw new Refusal(404, `No such index ${index} in this compute job`);
  return entry;
};

/** Sends one file; a range is served only if `If-Range`, when given, still names this content. */
const sendResult = async (
  { results }: Pick<ApiDeps, 'results'>,
  { row, entry }: { row: JobRow; entry: ResultEntry },
  req: Request,
  res: Response,
) => {
  const etag = `"${entry.sha256}"`;
  const ifRange = req.get('if-range');
  const choice = chooseRange(ifRange === undefined || ifRange === etag ? req.get('range') : undefined, entry.filesize);
  if (choice.kind === 'unsatisfiable') {
    throw new Refusal(416, `The file has ${entry.filesize} bytes: the range begins behind its end`, {
      'Content-Range': `bytes */${entry.filesize}`,
    });
  }
  const file = { store: row.store, jobId: row.jobId, podAttempt: row.podAttempt, n: entry.n };
  const range = choice.kind === 'part' ? choice.range : undefined;
  const bytes = await results.read(file, range);
  res.status(range === undefined ? 200 : 206).set({
    'Accept-Ranges': 'bytes',
    'Cache-Control': 'private, no-store',
    'Content-Disposition': attachmentNamed(entry.filename),
    'Content-Length': String(range === undefined ? entry.filesize : range.end - range.start + 1),
    ETag: etag,
    ...(range && { 'Content-Range': `bytes ${range.start}-${range.end}/${entry.filesize}` }),
  });
  res.setHeader(
    'Content-Type',
    entry.type === 'output' || entry.plaintext !== undefined ? 'application/octet-stream' : 'text/plain; charset=utf-8',
  );
  await pipeline(bytes, res);
};

/** As `sendResult`; a client that goes away in the middle is nobody's failure. */
export const deliverResult: typeof sendResult = async (deps, file, req, res) => {
  await sendResult(deps, file, req, res).catch((err: unknown) => {
    // nobody is left to tell
    if (!(res.headersSent && req.socket.destroyed)) throw err;
  });
};

/** Streams a file to the job's owner or a viewer, as fast as the client takes it. */
export const readResult = (deps: Pick<ApiDeps, 'ledger' | 'assets' | 'tokens' | 'results' | 'acceptsOlderMessages'>): RequestHandler =>
  async function readResult(req, res) {
    const { consumerAddress, nonce, signature, jobId, index } = req.query;
    const wanted = requireJobIdText(jobId, 'getComputeResult');
    const position = readIndex(index);
    const otherMessages = onlyIf(deps.acceptsOlderMessages, olderMessages.result(wanted, String(position)));
    const claim = { consumerAddress, nonce, signature, authorization: req.get('authorization'), otherMessages };
    const caller = await authenticate(deps, claim, 'getComputeResult');
    const row = await requireJob(deps.ledger, wanted);
    if (!mayView(row, caller.address)) {
      throw new Refusal(403, `${caller.address} is not authorized to get results for job with id ${row.jobId}`);
    }
    await deliverResult(deps, { row, entry: findResult(row, position) }, req, res);
  };

const bytes = z.string().meta({ format: 'binary' });

export const computeResultRoute: Route = {
  method: 'get',
  path: '/api/services/computeResult',
  id: 'readResult',
  summary: 'A result file, whole or (Range) in part',
  description:
    'Signed by the owner or a viewer: `consumerAddress + nonce + "getComputeResult"`, or with a token. The nonce is spent by the first fetch.',
  query: z.object({ consumerAddress: z.string(), nonce: z.string(), signature: z.string(), jobId: z.string(), index: z.string() }),
  answers: {
    200: { description: 'The file', contentType: '*/*', schema: bytes },
    206: { description: 'The range', contentType: '*/*', schema: bytes },
  },
  refusals: [400, 401, 403, 404, 405, 416, 503],
  refuseHead: true,
  handle: (deps) => [readResult(deps)],
};
