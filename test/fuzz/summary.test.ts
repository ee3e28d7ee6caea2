import { summarise, type Outcome } from './summary.ts';

const outcome: Outcome = {
  ...{ name: 'v1', wanted: 6, isWell: true, seconds: 12.3 },
  description: { paths: { '/a': { get: {}, post: {} }, '/b': { get: {} } } },
  tally: { 'GET /a': { 200: 2, 404: 1 }, 'POST /a': { 400: 2 }, 'GET /b': { 204: 1 }, 'no call': { 405: 1 } },
};

describe('the summary of a run', () => {
  test('counts answers by class and names the calls that never succeeded', () => {
    expect(summarise(outcome)).toEqual({
      isGood: true,
      line: 'v1: 7 cases in 12 s: 3 with 2xx, 0 with 3xx, 4 with 4xx, 0 with 5xx; 2 of 3 calls succeeded (not POST /a); no finding',
    });
  });

  test.each<[string, Partial<Outcome>, string]>([
    ['what the fuzzer found', { isWell: false }, 'findings, see above'],
    ['too few cases', { wanted: 8 }, 'fewer than 8 cases'],
    ['both', { isWell: false, wanted: 8 }, 'findings, see above, fewer than 8 cases'],
  ])('is not good for %s', (_what, over, text) => {
    const { line, isGood } = summarise({ ...outcome, ...over });
    expect(isGood).toBe(false);
    expect(line.endsWith(`; ${text}`)).toBe(true);
  });
});
