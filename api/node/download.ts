/** `GET /api/services/download`: a file of an access service, for whoever ordered it. */

import { pipeline } from 'node:stream/promises';
import type { Request, RequestHandler, Response } from 'express';
import { z } from 'zod';
import { authenticate } from '../authentication.ts';
import { chooseRange, type ByteRange } from '../byteRange.ts';
import { attachmentNamed } from '../contentDisposition.ts';
import type { ApiDeps, OpenedFile, OrderedFile } from '../ports.ts';
import { Refusal } from '../problems.ts';
import type { Route } from '../route.ts';
import { readFileIndex, readUserdata, requireTexts } from './accessQuery.ts';
import { olderMessages, onlyIf } from './olderMessages.ts';

const discard = ({ stream }: OpenedFile): void => {
  stream.on('error', () => undefined).destroy();
};

interface Opening {
  readonly opened: OpenedFile;
  /** null: everything */
  readonly range: ByteRange | null;
}

/** A range of a file whose size nobody knows cannot be told: then everything is sent, as HTTP permits. */
const openRange = async (file: OrderedFile, header: string | undefined, signal: AbortSignal): Promise<Opening> => {
  const whole = await file.open(0, signal);
  const choice = whole.sizeBytes === null ? ({ kind: 'whole' } as const) : chooseRange(header, whole.sizeBytes);
  if (choice.kind === 'whole') return { opened: whole, range: null };
  if (choice.kind === 'part' && choice.range.start === 0) return { opened: whole, range: choice.range };
  discard(whole);
  if (choice.kind === 'unsatisfiable') {
    throw new Refusal(416, `The file has ${whole.sizeBytes} bytes: the range begins behind its end`, {
      'Content-Range': `bytes */${whole.sizeBytes}`,
    });
  }
  const opened = await file.open(choice.range.start, signal);
  if (opened.sizeBytes !== whole.sizeBytes) {
    discard(opened);
    throw new Refusal(503, 'The file changed while it was opened: try again', { 'Retry-After': '1' });
  }
  return { opened, range: choice.range };
};

/** The bytes of a range, from a stream that may begin before it and end behind it. */
async function* sliceBytes({ stream, start }: OpenedFile, range: ByteRange): AsyncGenerator<Uint8Array> {
  let offset = start;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    const [from, to] = [Math.max(0, range.start - offset), Math.min(chunk.length, range.end + 1 - offset)];
    offset += chunk.length;
    if (from < to) yield chunk.subarray(from, to);
    if (offset > range.end) return;
  }
}

const harmlessType = /^[\w.+-]{1,100}\/[\w.+-]{1,100}(?:; ?[\w-]{1,50}=[\w."-]{1,100})*$/;

const describe = (res: Response, { opened, range }: Opening, name: string): void => {
  const size = opened.sizeBytes;
  const length = range === null ? size : range.end - range.start + 1;
  res.status(range === null ? 200 : 206).set({
    'Accept-Ranges': size === null ? 'none' : 'bytes',
    'Cache-Control': 'private, no-store',
    'Content-Disposition': attachmentNamed(name),
    ...(length !== null && { 'Content-Length': String(length) }),
    ...(range && size !== null && { 'Content-Range': `bytes ${range.start}-${range.end}/${size}` }),
  });
  const type = opened.contentType ?? '';
  res.setHeader('Content-Type', harmlessType.test(type) ? type : 'application/octet-stream');
};

/** Streams an ordered file as fast as the client takes it. A client that goes away is nobody's failure. */
export const deliverFile = async (file: OrderedFile, fallbackName: string, req: Request, res: Response): Promise<void> => {
  await send(file, fallbackName, req, res).catch((err: unknown) => {
    // nobody is left to tell
    if (!req.socket.destroyed) throw err;
  });
};

const send = async (file: OrderedFile, fallbackName: string, req: Request, res: Response): Promise<void> => {
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  const opening = await openRange(file, req.get('range'), gone.signal);
  describe(res, opening, file.name === '' ? fallbackName : file.name);
  await pipeline(opening.range === null ? opening.opened.stream : sliceBytes(opening.opened, opening.range), res);
};

/** Streams as fast as the client takes it; nothing of the file is kept. */
export const downloadFile = (deps: Pick<ApiDeps, 'assets' | 'ledger' | 'tokens' | 'acceptsOlderMessages'>): RequestHandler =>
  async function downloadFile(req, res) {
    const { consumerAddress, nonce, signature, userdata } = req.query;
    const wanted = requireTexts(req.query, ['fileIndex', 'documentId', 'serviceId', 'transferTxId'], 'download');
    const { documentId, serviceId, transferTxId } = wanted;
    const fileIndex = readFileIndex(wanted.fileIndex) ?? 0;
    const otherMessages = onlyIf(deps.acceptsOlderMessages, olderMessages.download(documentId));
    const claim = { consumerAddress, nonce, signature, authorization: req.get('authorization'), otherMessages };
    const caller = await authenticate(deps, claim, 'download');
    const file = await deps.assets.authorizeDownload({
      ...{
        reference: { documentId, serviceId },
        consumerAddress: caller.address,
        fileIndex,
        transferTxId,
        userdata: readUserdata(userdata),
      },
    });
    await deliverFile(file, `file-${fileIndex}`, req, res);
  };

const bytes = z.string().meta({ format: 'binary' });

export const downloadRoute: Route = {
  method: 'get',
  path: '/api/services/download',
  id: 'downloadFile',
  summary: 'A file of an ordered access service, whole or (Range) in part',
  description: 'Signed by who ordered it: `consumerAddress + nonce + "download"`, or with a token. The nonce is spent by the first fetch.',
  query: z.object({
    fileIndex: z.string(),
    documentId: z.string(),
    transferTxId: z.string(),
    serviceId: z.string(),
    consumerAddress: z.string().optional(),
    nonce: z.string().optional(),
    signature: z.string().optional(),
    userdata: z.string().optional(),
    policyServer: z.string().optional(),
  }),
  answers: {
    200: { description: 'The file', contentType: '*/*', schema: bytes },
    206: { description: 'The range', contentType: '*/*', schema: bytes },
  },
  refusals: [400, 401, 403, 404, 405, 409, 416, 503],
  refuseHead: true,
  handle: (deps) => [downloadFile(deps)],
};
