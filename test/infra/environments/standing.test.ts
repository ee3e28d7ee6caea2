import { freshSecondsOf, withdrawalOf, type SealRecord } from '../../../infra/environments/standing.ts';

const aRecord = (over: Partial<SealRecord> = {}): SealRecord => ({
  environmentId: 'small',
  verdict: 'sealed',
  reason: 'a job reached nothing but the gateway',
  ageSeconds: 60,
  problem: null,
  problemAgeSeconds: null,
  ...over,
});
const noNode = { problem: 'NoCapacity: no node has room', problemAgeSeconds: 30 };

describe('an environment is offered', () => {
  test.each<[string, SealRecord]>([
    ['when it was proved lately', aRecord()],
    ['while the last proof counts, though later self-tests came to no decision', aRecord({ ageSeconds: 1_799, ...noNode })],
  ])('%s', (_when, record) => {
    expect(withdrawalOf(record, freshSecondsOf(600))).toBeNull();
  });
});

describe('an environment is not offered', () => {
  test.each<[string, SealRecord | undefined, string]>([
    ['before any self-test has ended', undefined, 'no self-test has proved yet that it is sealed'],
    [
      'while no self-test comes to a decision',
      aRecord({ verdict: null, reason: '', ageSeconds: null, ...noNode }),
      'no self-test has proved yet that it is sealed; the last self-test, 30 s ago, came to no decision: NoCapacity: no node has room',
    ],
    [
      'at once after a breach',
      aRecord({ verdict: 'unsealed', reason: 'reached the API', ageSeconds: 0.4 }),
      'not sealed, found 0 s ago: reached the API',
    ],
    [
      'after a breach, until a self-test proves the contrary',
      aRecord({ verdict: 'unsealed', reason: 'reached the API', ageSeconds: 700, ...noNode }),
      'not sealed, found 700 s ago: reached the API; the last self-test, 30 s ago, came to no decision: NoCapacity: no node has room',
    ],
    [
      'when the last proof is too old',
      aRecord({ ageSeconds: 1_801, ...noNode }),
      'last proved to be sealed 1801 s ago; the last self-test, 30 s ago, came to no decision: NoCapacity: no node has room',
    ],
  ])('%s', (_when, record, reason) => {
    expect(withdrawalOf(record, freshSecondsOf(600))).toBe(reason);
  });
});
