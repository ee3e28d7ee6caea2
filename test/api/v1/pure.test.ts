import fc from 'fast-check';
import { codeTexts, isProblemCode } from '../../../api/v1/hints.ts';
import { encodeEvent, eventsSince, isEnd, parsePosition } from '../../../api/v1/eventStream.ts';
import { progressOf } from '../../../api/v1/jobView.ts';
import { phaseOf, timeOfPhases, wordOf } from '../../../api/v1/phases.ts';
import { failureTypes } from '../../../workflows/contract/failures.ts';
import { furthestShown, positionText, readPosition } from '../../../workflows/contract/queue.ts';
import { isTerminal, status } from '../../../workflows/contract/status.ts';
import { parseEvents } from '../../../api/cli/eventParser.ts';
import { fileNameOf } from '../../../api/cli/download.ts';
import { parseImage } from '../../../api/cli/jobFile.ts';
import { aJobRow } from '../support/fakes.ts';

describe('phases', () => {
  test.each<[number, string]>([
    [1, 'queued'],
    [2, 'failed'],
    [10, 'preparing'],
    [11, 'failed'],
    [20, 'preparing'],
    [30, 'staging'],
    [31, 'failed'],
    [40, 'running'],
    [42, 'failed'],
    [50, 'publishing'],
    [60, 'publishing'],
    [62, 'failed'],
    [70, 'succeeded'],
    [71, 'settling'],
    [80, 'stopped'],
    [81, 'failed'],
    [82, 'failed'],
    [83, 'failed'],
    [84, 'failed'],
  ])('status %d is %s', (number, word) => {
    expect(wordOf(number)).toBe(word);
  });

  test('every number that ends a job has a word of the end, and no other has', () => {
    for (const number of Object.values(status))
      expect(['succeeded', 'failed', 'stopped'].includes(wordOf(number))).toBe(isTerminal(number));
  });

  test('before the verdict the status says nothing', () => {
    expect(phaseOf({ admission: 'pending', status: 1 })).toBe('judging');
    expect(phaseOf({ admission: 'refused', status: 1 })).toBe('refused');
  });

  test('each state lasts until the next, the last until now; a clock that goes back makes no negative time', () => {
    const phases = { 1: 1_000, 10: 3_000, 40: 2_000_000 };
    expect(timeOfPhases({ phases, finishedAtMs: null }, 2_001_500).map(({ status: number, seconds }) => [number, seconds])).toEqual([
      [1, 2],
      [10, 1_997],
      [40, 1.5],
    ]);
    expect(timeOfPhases({ phases: { 1: 5_000 }, finishedAtMs: 4_000 }, 9_000)[0]?.seconds).toBe(0);
  });
});

describe('progress', () => {
  const report = { phase: 'stageInputs', filesDone: 1, filesTotal: 3, bytesDone: 10, bytesTotal: 40 };
  test.each<[string, unknown, number | null | undefined]>([
    ['bytes count where their total is known', report, 25],
    ['files count otherwise', { ...report, bytesTotal: null }, 33],
    ['an empty transfer has none', { ...report, filesTotal: 0, bytesTotal: null }, null],
    ['more than announced is all of it', { ...report, bytesDone: 50 }, 100],
    ['an algorithm has none', { ...report, phase: 'runAlgorithm' }, undefined],
    ['nothing was reported', null, undefined],
    ['what is no report is none', { a: 1 }, undefined],
  ])('%s', (_what, progress, percent) => {
    expect(progressOf({ progress, finishedAtMs: null })?.percent).toBe(percent);
  });
});

describe('the place in the queue', () => {
  test('is read back from what people read', () => {
    for (let ahead = 0; ahead <= furthestShown + 5; ahead += 1)
      expect(readPosition(positionText(ahead))).toEqual({ ahead: Math.min(ahead, furthestShown), orMore: ahead >= furthestShown });
  });
  test.each(['', 'the algorithm is running', 'queued: nobody ahead', 'xqueued: next'])('%p is none', (text) => {
    expect(readPosition(text)).toBeNull();
  });
});

describe('codes', () => {
  test('every failure has a title and a hint (complaint: errors that say nothing)', () => {
    for (const type of failureTypes) expect(isProblemCode(type)).toBe(true);
    for (const { title, hint } of Object.values(codeTexts)) expect([title.length > 5, hint.length > 5]).toEqual([true, true]);
  });
});

describe('event ids', () => {
  test('whatever was told before, the rest is told once and in order', () => {
    const numbers = [1, 10, 30, 40, 60];
    const step = fc.record({
      gaps: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 5, maxLength: 5 }),
      seen: fc.nat(4),
      now: fc.nat(4),
    });
    fc.assert(
      fc.property(step, ({ gaps, seen, now }) => {
        const times = gaps.map((_gap, index) => 1_000 + gaps.slice(0, index + 1).reduce((sum, gap) => sum + gap, 0));
        const rowAt = (index: number) =>
          aJobRow({
            status: numbers[index]!,
            phases: Object.fromEntries(numbers.slice(0, index + 1).map((number, at) => [number, times[at]!])),
          });
        const [before, after] = [Math.min(seen, now), Math.max(seen, now)];
        const told = eventsSince(rowAt(before), null, 0);
        const id = /^id: (.*)$/m.exec(encodeEvent(told.at(-1)!))![1];
        const missed = eventsSince(rowAt(after), parsePosition(id), 0).filter(({ kind }) => kind === 'status');
        expect([...told.filter(({ kind }) => kind === 'status'), ...missed].map(({ position }) => position.status)).toEqual(
          numbers.slice(0, after + 1),
        );
      }),
    );
  });

  test('after the end nothing is told', () => {
    const row = aJobRow({ status: 70, phases: { 1: 1, 70: 2 }, finishedAtMs: 2 });
    const last = eventsSince(row, null, 3).at(-1)!;
    expect([last.kind, isEnd(last.position)]).toEqual(['end', true]);
    expect(eventsSince(row, last.position, 3)).toEqual([]);
  });
});

describe('reading server-sent events', () => {
  test('however the bytes are cut', async () => {
    const text = 'retry: 2000\n\n: comment\n\nid: 1\nevent: status\ndata: {"a":"ü"}\n\ndata: x\ndata: y\n\nid: 3\ndata: unfinished';
    const bytes = Buffer.from(text);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: bytes.length }), async (sizes) => {
        const pieces = (async function* () {
          for (let at = 0, n = 0; at < bytes.length; at += sizes[n]!, n += 1) yield bytes.subarray(at, at + sizes[n]!);
        })();
        const events = [];
        for await (const event of parseEvents(pieces)) events.push(event);
        expect(events).toEqual([
          { id: '1', kind: 'status', data: '{"a":"ü"}' },
          { id: '', kind: 'message', data: 'x\ny' },
        ]);
      }),
      { numRuns: 50 },
    );
  });
});

describe('names of the command line', () => {
  test.each([
    ['a.csv', 'a.csv'],
    ['nested%2Fnote 100%25.txt', 'nested%2Fnote 100%25.txt'],
    ['../../etc/passwd', '.._.._etc_passwd'],
    ['..', 'result-7'],
    ['', 'result-7'],
    ['a\u001b[31m\nb', 'a_[31m_b'],
    ['C:\\x', 'C__x'],
  ])('a result called %p stays in its folder', (name, expected) => {
    expect(fileNameOf({ name, index: 7 })).toBe(expected);
  });

  test.each([
    ['node', { image: 'node', tag: 'latest', checksum: '' }],
    ['node:24', { image: 'node', tag: '24', checksum: '' }],
    ['localhost:5000/a/b', { image: 'localhost:5000/a/b', tag: 'latest', checksum: '' }],
    ['localhost:5000/a/b:1', { image: 'localhost:5000/a/b', tag: '1', checksum: '' }],
    ['node@sha256:00', { image: 'node', tag: '', checksum: 'sha256:00' }],
  ])('image %s', (given, expected) => {
    expect(parseImage(given)).toEqual(expected);
  });
});
