/**
 * A way to an S3 server, or to a node of IPFS, on which chosen requests meet misfortune. Of requests that are passed on
 * nothing changes, so signatures stay good.
 */

import { createServer, request, type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a request asks of the server; `other` is everything that no fault is for. */
export type S3Operation =
  'UploadPart' | 'PutObject' | 'CreateMultipartUpload' | 'ListParts' | 'CompleteMultipartUpload' | 'HeadObject' | 'other';

/** What a request asks of a node of IPFS: the command of its RPC API. */
export type IpfsOperation =
  'add' | 'files/cp' | 'ls' | 'files/mkdir' | 'files/mv' | 'files/read' | 'files/rm' | 'files/stat' | 'pin/add' | 'refs';

/** What happens to one request. */
export type Fault =
  /** both connections end after so many bytes of the body */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** nothing goes on after so many bytes of the body */
  | { readonly kind: 'stall'; readonly afterBytes: number }
  /** it is not passed on */
  | { readonly kind: 'refuse'; readonly status: number; readonly code: string }
  /** the server has done it, and nobody is told */
  | { readonly kind: 'loseAnswer' }
  /** a byte of the body, the first unless `atByte` says which, arrives as another one */
  | { readonly kind: 'damage'; readonly atByte?: number };

/** One request that waits in the middle of its body. */
export interface HeldUpload {
  /** resolves once there is one */
  readonly held: Promise<void>;
  readonly release: () => void;
}

/** The way. */
export interface FaultyWay {
  /** base URL of the server by this way */
  readonly endpoint: string;
  /** The next requests of an operation, one unless `times` says more, meet the fault. */
  next(operation: S3Operation | IpfsOperation, fault: Fault, times?: number): void;
  /** The next body of more than so many bytes waits there until it is released; everything else passes. */
  hold(afterBytes: number): HeldUpload;
  /** faults that were met so far */
  readonly met: () => number;
  /** bytes of bodies that were sent so far, whatever became of them */
  readonly sentBytes: () => number;
  /** resolves once a request stalls, or has stalled */
  readonly stalled: () => Promise<void>;
  close(): Promise<void>;
}

const ipfsPrefix = '/api/v0/';

const operationOf = (req: IncomingMessage): string => {
  const { url = '' } = req;
  return url.startsWith(ipfsPrefix) ? url.slice(ipfsPrefix.length).replace(/\?.*$/, '') : s3OperationOf(req);
};

const s3OperationOf = ({ method = '', url = '' }: IncomingMessage): S3Operation => {
  const query = new URL(url, 'http://s3').searchParams;
  if (method === 'PUT') return query.has('partNumber') ? 'UploadPart' : 'PutObject';
  if (method === 'HEAD') return 'HeadObject';
  if (method === 'GET' && query.has('uploadId')) return 'ListParts';
  if (method === 'POST' && query.has('uploads')) return 'CreateMultipartUpload';
  return method === 'POST' && query.has('uploadId') ? 'CompleteMultipartUpload' : 'other';
};

interface Hold {
  readonly afterBytes: number;
  readonly reached: () => void;
  readonly released: Promise<void>;
}

/** Everything of one way. */
class Way {
  readonly target: URL;
  readonly faults: { readonly operation: string; readonly fault: Fault }[] = [];
  readonly stalled = Promise.withResolvers<void>();
  hold: Hold | undefined;
  met = 0;
  sentBytes = 0;

  constructor(target: string) {
    this.target = new URL(target);
  }

  take(operation: string): Fault | undefined {
    const at = this.faults.findIndex((each) => each.operation === operation);
    if (at < 0) return undefined;
    this.met += 1;
    return this.faults.splice(at, 1)[0]?.fault;
  }

  /** @returns the hold for a request that has got so far, once */
  holdAt(bytes: number): Hold | undefined {
    const { hold } = this;
    if (hold === undefined || bytes <= hold.afterBytes) return undefined;
    this.hold = undefined;
    hold.reached();
    return hold;
  }
}

const refuse = (req: IncomingMessage, res: ServerResponse, { status, code }: Extract<Fault, { kind: 'refuse' }>): void => {
  req.resume();
  const text = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>of the test</Message></Error>`;
  res.writeHead(status, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(text), connection: 'close' }).end(text);
};

const passOn = (
  { target: { hostname, port } }: Way,
  req: IncomingMessage,
  res: ServerResponse,
  fault: Fault | undefined,
): ClientRequest => {
  // a request whose body is left before its end has no socket any more
  const { socket } = req;
  const outgoing = request({ hostname, port, method: req.method, path: req.url, headers: req.headers });
  outgoing.on('continue', () => res.writeContinue());
  outgoing.on('error', () => socket.destroy());
  res.on('close', () => res.writableFinished || outgoing.destroy());
  outgoing.on('response', (answer) => {
    answer.on('error', () => socket.destroy());
    if (fault?.kind === 'loseAnswer') return void answer.on('end', () => socket.destroy()).resume();
    res.writeHead(answer.statusCode ?? 0, answer.headers);
    return answer.pipe(res);
  });
  return outgoing;
};

const damage = (chunk: Buffer, at: number): void => {
  if (at >= 0 && at < chunk.length) chunk[at] = (chunk[at] ?? 0) ^ 0xff;
};

/** Passes the body on, as far as the fault lets it. */
const passBody = async (way: Way, req: IncomingMessage, outgoing: ClientRequest, fault: Fault | undefined): Promise<void> => {
  const { socket } = req;
  let passed = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    way.sentBytes += chunk.length;
    if (fault?.kind === 'damage') damage(chunk, (fault.atByte ?? 0) - passed);
    passed += chunk.length;
    if (fault?.kind === 'cut' && passed >= fault.afterBytes) return void socket.destroy();
    if (fault?.kind === 'stall' && passed >= fault.afterBytes) {
      way.stalled.resolve();
      return void (await new Promise<void>((resolve) => socket.once('close', () => resolve())));
    }
    const hold = way.holdAt(passed);
    if (hold !== undefined) await Promise.race([hold.released, new Promise((resolve) => socket.once('close', resolve))]);
    if (!outgoing.write(chunk)) await new Promise((resolve) => outgoing.once('drain', resolve).once('close', resolve));
  }
  outgoing.end();
};

const serve = (way: Way) =>
  function serve(req: IncomingMessage, res: ServerResponse): void {
    const fault = way.take(operationOf(req));
    if (fault?.kind === 'refuse') return refuse(req, res, fault);
    const outgoing = passOn(way, req, res, fault);
    passBody(way, req, outgoing, fault).catch(() => outgoing.destroy());
  };

/** Opens a way to the server at `target` on a free port of 127.0.0.1. */
export const openFaultyWay = async (target: string): Promise<FaultyWay> => {
  const way = new Way(target);
  const server = createServer(serve(way)).on('checkContinue', serve(way));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    next: (operation, fault, times = 1) => void way.faults.push(...Array.from({ length: times }, () => ({ operation, fault }))),
    hold: (afterBytes) => {
      const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      way.hold = { afterBytes, reached: () => reached.resolve(), released: released.promise };
      return { held: reached.promise, release: () => released.resolve() };
    },
    met: () => way.met,
    sentBytes: () => way.sentBytes,
    stalled: () => way.stalled.promise,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
};
