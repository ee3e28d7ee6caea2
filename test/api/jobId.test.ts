import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { deriveJobId } from '../../api/jobId.ts';
import { canonicalJson, parseExactJson, withPlainNumbers } from '../../api/losslessJson.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const consumerAddress = '0xe08A1dAe983BC701D05E492DB80e0144f8f4b909';

describe('a job id', () => {
  test('is the first half of sha256 over address, nonce and digest of the canonical request', () => {
    const request = { nonce: '5', environment: 'small', signature: '0xaa', a: [1, { c: 1, b: 2 }] };
    const canonical = '{"a":[1,{"b":2,"c":1}],"environment":"small","nonce":"5"}';
    expect(deriveJobId({ consumerAddress, nonce: '5', request })).toBe(
      sha256(`${consumerAddress.toLowerCase()}5${sha256(canonical)}`).slice(0, 32),
    );
  });

  test.each<[string, { consumerAddress?: string; nonce?: string; request?: Record<string, unknown> }, boolean]>([
    ['another spelling of the address', { consumerAddress: consumerAddress.toLowerCase() }, true],
    ['another signature', { request: { b: 2, a: 1, signature: '0x1c' } }, true],
    ['another order of keys', { request: { a: 1, b: 2 } }, true],
    ['another nonce', { nonce: '6' }, false],
    ['another value', { request: { a: 1, b: 3 } }, false],
    ['one more field', { request: { a: 1, b: 2, c: null } }, false],
  ])('with %s is the same: %#', (_what, over, same) => {
    const base = { consumerAddress, nonce: '5', request: { a: 1, b: 2 } };
    expect(deriveJobId({ ...base, ...over }) === deriveJobId(base)).toBe(same);
  });
});

describe('exact JSON', () => {
  test('integers beyond a double keep their digits, and tell requests apart', () => {
    const [one, other] = ['{"n":1795337211363943707}', '{"n":1795337211363943700}'].map(parseExactJson);
    expect(canonicalJson(one)).toBe('{"n":1795337211363943707}');
    expect(canonicalJson(one)).not.toBe(canonicalJson(other));
    expect(withPlainNumbers(one)).toEqual({ n: 1795337211363943700 });
  });

  test('reads what JSON.parse reads', () => {
    const plain = fc.jsonValue();
    fc.assert(
      fc.property(plain, (value) => {
        const text = JSON.stringify(value);
        fc.pre(!text.includes('\\u0000'));
        expect(withPlainNumbers(parseExactJson(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  test('the canonical form is JSON of the same document, whatever the order of its keys', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z_]{1,8}$/), fc.integer()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).toReversed());
        expect(canonicalJson(reversed)).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(value);
      }),
    );
  });

  test('a key named __proto__ is a key like any other', () => {
    const value = withPlainNumbers(parseExactJson('{"__proto__":{"isAdmin":true}}')) as Record<string, unknown>;
    expect(value['isAdmin']).toBeUndefined();
    expect(Object.keys(value)).toEqual(['__proto__']);
  });
});
