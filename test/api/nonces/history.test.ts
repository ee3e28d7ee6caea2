import fc from 'fast-check';
import { createSequentialNonces, explainHistory, type SpendingCall } from '../../support/nonceHistory.ts';

const aCall = (nonce: number, isAccepted: boolean, [begunAt, endedAt]: readonly [number, number]): SpendingCall => ({
  ...{ address: '0xa', nonce, isAccepted, begunAt, endedAt },
});

describe('a history of nonces', () => {
  test.each<[string, SpendingCall[]]>([
    ['one accepted of two at once', [aCall(5, true, [0, 9]), aCall(5, false, [0, 9])]],
    ['the lower of two at once, before the higher', [aCall(5, true, [0, 9]), aCall(6, true, [0, 9])]],
    ['the lower of two at once, refused behind the higher', [aCall(5, false, [0, 9]), aCall(6, true, [0, 9])]],
    ['a refusal that ended after what used its nonce up had begun', [aCall(6, true, [8, 20]), aCall(5, false, [0, 9])]],
  ])('is explained: %s', (_what, calls) => {
    expect(explainHistory(calls)).toHaveLength(calls.length);
  });

  test.each<[string, string, SpendingCall[]]>([
    ['the same nonce twice', 'accepted twice', [aCall(5, true, [0, 9]), aCall(5, true, [0, 9])]],
    ['a lower nonce after a higher one', 'after a higher one', [aCall(6, true, [0, 1]), aCall(5, true, [2, 3])]],
    ['a refusal of what nobody had used', 'before it was used up', [aCall(5, false, [0, 1])]],
    ['a refusal before a higher one began', 'before it was used up', [aCall(5, false, [0, 1]), aCall(6, true, [2, 3])]],
    ['a chain that fits in pairs only', 'after a higher one', [aCall(5, true, [7, 9]), aCall(6, true, [0, 9]), aCall(7, true, [0, 5])]],
  ])('is not explained: %s', (_what, problem, calls) => {
    expect(() => explainHistory(calls)).toThrow(problem);
  });

  test('is explained whenever it was made one after the other, and not with one answer turned over at the end', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ address: fc.constantFrom('0xa', '0xb'), nonce: fc.nat(9) }), { minLength: 1 }), (asked) => {
        const model = createSequentialNonces();
        const calls = asked.map(({ address, nonce }, index) => ({
          ...{ address, nonce, isAccepted: model.spend(address, nonce), begunAt: 2 * index, endedAt: 2 * index + 1 },
        }));
        expect(explainHistory(calls)).toHaveLength(calls.length);
        const last = calls.at(-1)!;
        expect(() => explainHistory([...calls.slice(0, -1), { ...last, isAccepted: !last.isAccepted }])).toThrow(/nonce/);
      }),
    );
  });
});
