/** Data sources that misbehave, for the tests' file server. */

import { setTimeout as delay } from 'node:timers/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendContent, type Handler } from './fileServer.ts';

/** Sends `content` in pieces with a pause after each. */
export const trickling =
  (content: Buffer, { pieces, pauseMs }: { readonly pieces: number; readonly pauseMs: number }): Handler =>
  (_req, res) => {
    void (async () => {
      const size = Math.ceil(content.length / pieces);
      res.writeHead(200, { 'content-length': content.length });
      for (let at = 0; at < content.length && !res.destroyed; at += size) {
        res.write(content.subarray(at, at + size));
        await delay(pauseMs);
      }
      res.end();
    })();
  };

/** Sends a few bytes of many, and then nothing any more, whenever it is asked. */
export const stalling = (): Handler => (_req, res) => {
  res.writeHead(200, { 'content-length': 1_000_000 });
  res.write('the beginning');
};

/** Never ends, and does not say how long it will be. */
export const endless = (): Handler => (_req, res) => {
  const piece = Buffer.alloc(64 * 1024, 'endless ');
  res.writeHead(200);
  const push = (): void => {
    while (!res.destroyed && res.write(piece));
  };
  res.on('drain', push);
  push();
};

/** A source that cuts its first answers, and what it was asked for. */
export interface BreakingSource {
  readonly handle: Handler;
  /** the range header of each request, in order */
  readonly ranges: (string | undefined)[];
}

/**
 * Cuts its first two answers after `cutAfter` further bytes each.
 * @param options.hasRanges false: it ignores ranges and always sends from the beginning
 */
export const breaking = (
  content: Buffer,
  { cutAfter, hasRanges }: { readonly cutAfter: number; readonly hasRanges: boolean },
): BreakingSource => {
  const ranges: (string | undefined)[] = [];
  const handle = (req: IncomingMessage, res: ServerResponse): void => {
    const isFirst = ranges.push(req.headers.range) <= 2;
    if (!hasRanges) delete req.headers.range;
    if (!isFirst) return sendContent(content, req, res);
    const start = Number(/^bytes=(\d+)-$/.exec(req.headers.range ?? '')?.[1] ?? 0);
    const rest = content.length - start;
    if (start > 0)
      res.writeHead(206, { 'content-length': rest, 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` });
    else res.writeHead(200, { 'content-length': rest });
    // the bytes are on their way before the connection goes
    res.write(content.subarray(start, start + cutAfter), () => res.destroy());
  };
  return { handle, ranges };
};

/** A source that keeps everybody waiting until it is released. */
export interface HeldSource {
  readonly handle: Handler;
  /** resolves when somebody asks */
  readonly asked: Promise<void>;
  release(): void;
}

/** Answers nobody before `release`, and everybody after it. */
export const holding = (content: string): HeldSource => {
  const asked = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  return {
    handle: (req, res) => {
      asked.resolve();
      void released.promise.then(() => sendContent(Buffer.from(content), req, res));
    },
    asked: asked.promise,
    release: released.resolve,
  };
};
