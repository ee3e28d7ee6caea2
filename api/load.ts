/** How much this process carries at once. More is refused, cheaply, before memory, the database or Temporal suffers. */

import { getHeapStatistics } from 'node:v8';
import type { RequestHandler, Response } from 'express';
import type { Load } from './ports.ts';
import { Refusal } from './problems.ts';

export interface LoadSettings {
  /** requests that are being worked on and have no answer yet */
  readonly requests: number;
  /** all answers that are not finished: downloads and streams, too */
  readonly answers: number;
  /** streams of one consumer that go on until a job ends */
  readonly streamsPerConsumer: number;
  /** share of the heap that is in use, 0 to 1 */
  readonly heapInUse?: () => number;
}

/** Beyond this the garbage collector has little left to do but to look for room. */
const fullHeap = 0.9;
const soonSeconds = 1;
const laterSeconds = 5;

const shareOfHeap = (): number => {
  const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
  return used / limit;
};

const busy = (what: string, seconds: number): Refusal =>
  new Refusal(503, `The service is busy: ${what}; repeat the same request in ${seconds} s`, { 'Retry-After': String(seconds) });

/** Limits of one process; every surface counts into the same. */
export const createLoad = ({ requests, answers, streamsPerConsumer, heapInUse = shareOfHeap }: LoadSettings): Load => {
  const unfinished = new Set<Response>();
  const streams = new Map<string, number>();

  const requireRoom = (): void => {
    if (heapInUse() > fullHeap) throw busy('its memory is nearly full', laterSeconds);
    if (unfinished.size >= answers) throw busy(`it gives ${answers} answers at this moment`, soonSeconds);
    if (unfinished.size < requests) return;
    // an answer that has begun costs little more than its connection
    const working = unfinished.values().reduce((count, res) => (res.headersSent ? count : count + 1), 0);
    if (working >= requests) throw busy(`${requests} requests are being worked on`, soonSeconds);
  };

  return {
    admit: function admit(_req, res, next) {
      requireRoom();
      unfinished.add(res);
      res.once('close', () => unfinished.delete(res));
      next();
    } satisfies RequestHandler,
    openStream(res, address) {
      const key = address.toLowerCase();
      const open = streams.get(key) ?? 0;
      if (open >= streamsPerConsumer) {
        const text = `Rate limit exceeded: ${open} streams of this consumer are open; close one, or try again in ${laterSeconds} s`;
        throw new Refusal(429, text, { 'Retry-After': String(laterSeconds) });
      }
      streams.set(key, open + 1);
      res.once('close', () => {
        const left = (streams.get(key) ?? 1) - 1;
        if (left === 0) streams.delete(key);
        else streams.set(key, left);
      });
    },
  };
};
