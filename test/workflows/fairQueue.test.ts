import fc from 'fast-check';
import { furthestShown, longestQueue, positionText, type Claim } from '../../workflows/contract/queue.ts';
import {
  answersTo,
  emptyQueue,
  enqueue,
  grantPlaces,
  leave,
  positionsOf,
  recalledQueue,
  type FairQueue,
} from '../../workflows/fairQueue.ts';

/** `a1` is the first job of consumer `a`. */
const claims = (names: string): readonly Claim[] =>
  names
    .split(' ')
    .filter((name) => name !== '')
    .map((jobId) => ({ jobId, consumerKey: jobId[0]! }));
const namesOf = (list: readonly Claim[]): string => list.map(({ jobId }) => jobId).join(' ');
const aQueue = (maxJobs: number, holding: string, waiting: string, served: FairQueue['served'] = {}): FairQueue => ({
  ...recalledQueue({ holding: claims(holding), waiting: claims(waiting) }),
  maxJobs,
  clock: 100,
  served,
});

describe('the next place', () => {
  test.each<[string, FairQueue, string]>([
    ['nobody who waits gets nothing', aQueue(2, '', ''), ''],
    ['one consumer is served in order of arrival', aQueue(2, '', 'a1 a2 a3'), 'a1 a2'],
    ['who has no place yet goes before who has one', aQueue(2, 'a1', 'a2 b1'), 'b1'],
    ['among equals who waited longest goes first', aQueue(1, '', 'b1 a1'), 'b1'],
    ['a place that is given now counts for the next', aQueue(3, '', 'a1 a2 a3 b1 c1'), 'a1 b1 c1'],
    ['a single place goes round: who was just served waits anew', aQueue(1, '', 'a1 a2 b1', { a: 50 }), 'b1'],
    ['many jobs of one consumer do not keep one of another waiting', aQueue(3, 'c1 c2', 'a1 a2 a3 a4 b1', { a: 50 }), 'b1'],
    ['fewer places than are taken give nothing away', aQueue(1, 'a1 b1', 'c1'), ''],
    ['without places nobody is served', aQueue(0, '', 'a1'), ''],
    ['one consumer alone may have every place', aQueue(3, 'a1', 'a2 a3 a4'), 'a2 a3'],
  ])('%s', (_name, queue, served) => {
    const { queue: after, granted } = grantPlaces(queue);
    expect(namesOf(granted)).toBe(served);
    expect(after.holding).toEqual([...queue.holding, ...granted]);
    const gotOne = new Set(granted.map(({ jobId }) => jobId));
    expect(after.waiting).toEqual(queue.waiting.filter(({ jobId }) => !gotOne.has(jobId)));
  });
});

describe('a request', () => {
  test('that is repeated changes nothing', () => {
    const queue = aQueue(1, 'a1', 'b1');
    expect(enqueue(queue, { maxJobs: 1, claims: claims('a1 b1 b1') })).toEqual(queue);
  });

  test('brings the number of places that counts from now on', () => {
    expect(enqueue(aQueue(1, 'a1', ''), { maxJobs: 5, claims: [] }).maxJobs).toBe(5);
  });

  test('is told its place, its turn, or that too many wait', () => {
    const many = Array.from({ length: longestQueue }, (_, n): Claim => ({ jobId: `m${n}`, consumerKey: 'm' }));
    const queue = enqueue({ ...emptyQueue, holding: claims('a1') }, { maxJobs: 1, claims: [...many, ...claims('b1')] });
    expect(queue.waiting).toHaveLength(longestQueue);
    expect(answersTo(queue, ['a1', 'm0', 'm4000', 'b1'])).toEqual([
      { kind: 'granted' },
      { kind: 'waiting', ahead: 0 },
      { kind: 'waiting', ahead: furthestShown },
      { kind: 'full' },
    ]);
  });

  test.each([
    [0, 'queued: next'],
    [1, 'queued: 1 job ahead'],
    [2, 'queued: 2 jobs ahead'],
    [furthestShown, 'queued: 100 or more jobs ahead'],
  ])('with %i jobs ahead reads as %j', (ahead, text) => expect(positionText(ahead)).toBe(text));
});

describe('whatever happens in whatever order', () => {
  type Step =
    | { readonly do: 'ask'; readonly jobId: number; readonly consumer: number; readonly maxJobs: number }
    | { readonly do: 'leave'; readonly jobId: number };
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ do: fc.constant('ask' as const), jobId: fc.nat(30), consumer: fc.nat(4), maxJobs: fc.nat(5) }),
    fc.record({ do: fc.constant('leave' as const), jobId: fc.nat(30) }),
  );
  const apply = (queue: FairQueue, one: Step): FairQueue =>
    one.do === 'leave'
      ? leave(queue, [String(one.jobId)])
      : enqueue(queue, { maxJobs: one.maxJobs, claims: [{ jobId: String(one.jobId), consumerKey: String(one.consumer) }] });

  test('no place is given twice or beyond the limit, none stays free while somebody waits, nobody is forgotten', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        let queue = emptyQueue;
        const present = new Set<string>();
        for (const one of steps) {
          const before = queue.holding.length;
          queue = grantPlaces(apply(queue, one)).queue;
          if (one.do === 'ask') present.add(String(one.jobId));
          else present.delete(String(one.jobId));
          const everybody = [...queue.holding, ...queue.waiting].map(({ jobId }) => jobId);
          expect(new Set(everybody)).toEqual(present);
          expect(everybody).toHaveLength(present.size);
          expect(queue.holding.length).toBeLessThanOrEqual(Math.max(before, queue.maxJobs));
          expect(queue.waiting.length === 0 || queue.holding.length >= queue.maxJobs).toBe(true);
        }
      }),
    );
  });

  test('turns come in the order that was told, if nobody comes and jobs end in the order in which they began', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 6 }), (steps, maxJobs) => {
        let queue = grantPlaces({ ...steps.reduce(apply, emptyQueue), maxJobs }).queue;
        const told = positionsOf(queue).toSorted((one, other) => one.ahead - other.ahead);
        const served: string[] = [];
        while (queue.waiting.length > 0) {
          const { queue: after, granted } = grantPlaces(leave(queue, [queue.holding[0]!.jobId]));
          served.push(...granted.map(({ jobId }) => jobId));
          queue = after;
        }
        expect(served).toEqual(told.map(({ jobId }) => jobId));
        expect(told.map(({ ahead }) => ahead)).toEqual(served.map((_, ahead) => ahead));
      }),
    );
  });

  test('over one place consumers take turns, whatever they have queued', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3), { minLength: 1, maxLength: 40 }), (consumers) => {
        const asked = consumers.map((consumer, n): Claim => ({ jobId: String(n), consumerKey: String(consumer) }));
        let queue = enqueue(emptyQueue, { maxJobs: 1, claims: asked });
        const order: string[] = [];
        while (queue.waiting.length > 0) {
          queue = grantPlaces(leave(queue, queue.holding.map(({ jobId }) => jobId))).queue; // prettier-ignore
          order.push(queue.holding[0]!.consumerKey);
          const waiting = new Set(queue.waiting.map(({ consumerKey }) => consumerKey));
          // whoever still waits is not served twice behind another who waited all the while
          for (const consumer of waiting) {
            const since = order.lastIndexOf(consumer);
            for (const other of waiting)
              expect(order.slice(since + 1).filter((one) => one === other).length).toBeLessThanOrEqual(other === consumer ? 0 : 1);
          }
        }
        expect(order).toHaveLength(consumers.length);
      }),
    );
  });

  test('a consumer never gets a place while another, who waits, has fewer by more than one', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 10 }), (steps, maxJobs) => {
        const asks = steps.filter((one) => one.do === 'ask');
        const queue = grantPlaces({ ...asks.reduce(apply, emptyQueue), maxJobs }).queue;
        const places = new Map<string, number>();
        for (const { consumerKey } of queue.holding) places.set(consumerKey, (places.get(consumerKey) ?? 0) + 1);
        const most = Math.max(0, ...places.values());
        for (const { consumerKey } of queue.waiting) expect(places.get(consumerKey) ?? 0).toBeGreaterThanOrEqual(most - 1);
      }),
    );
  });
});
