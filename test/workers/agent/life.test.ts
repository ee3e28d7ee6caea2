import fc from 'fast-check';
import { createLineSplitter, parseLifeLine, type LifeLine } from '../../../workers/agent/life.ts';

describe('parseLifeLine', () => {
  test.each<[string, LifeLine | undefined]>([
    ['here', { kind: 'here' }],
    ['unsealed network eth0', { kind: 'unsealed', why: 'network eth0' }],
    ['started n', { kind: 'started' }],
    ['started', undefined],
    ['started other', undefined],
    ['unstartable n python3', { kind: 'unstartable', program: 'python3' }],
    ['unstartable n a\x1b[0m b', { kind: 'unstartable', program: 'a?[0m b' }],
    ['exit n 0 0', { kind: 'exit', code: 0, oomKills: 0 }],
    ['exit n 137 2', { kind: 'exit', code: 137, oomKills: 2 }],
    ['exit forged 0 0', undefined],
    ['exit n 0', undefined],
    ['exit n -1 0', undefined],
    ['exit n 1e9 0', undefined],
    ['', undefined],
    ['goodbye n', undefined],
  ])('%j', (line, expected) => {
    expect(parseLifeLine(line, 'n')).toEqual(expected);
  });

  test('takes no end from somebody who does not know the nonce', () => {
    fc.assert(
      fc.property(fc.string(), (line) => {
        expect(['started', 'exit', 'unstartable']).not.toContain(parseLifeLine(line, '0123456789abcdef')?.kind);
      }),
    );
  });
});

describe('createLineSplitter', () => {
  test('gives the same lines however the bytes arrive', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[ -~]{0,20}$/)), fc.array(fc.nat(30)), (lines, cuts) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        const seen: string[] = [];
        const take = createLineSplitter((line) => seen.push(line));
        let offset = 0;
        for (const cut of cuts) take(bytes.subarray(offset, (offset += cut)));
        take(bytes.subarray(offset));
        expect(seen).toEqual(lines);
      }),
    );
  });

  test('keeps no more than a line of what never ends', () => {
    const seen: string[] = [];
    const take = createLineSplitter((line) => seen.push(line));
    for (let n = 0; n < 1_000; n += 1) take(Buffer.alloc(10_000, 'x'));
    take(Buffer.from('\nhere\n'));
    expect(seen[0]?.length).toBeLessThanOrEqual(4_096);
    expect(seen[1]).toBe('here');
  });
});
