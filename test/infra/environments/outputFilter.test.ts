import { computeEnvironment } from '../../../infra/environments/environments.ts';
import { publishSecondsOf, requireRoomForFilters, type WantedFilter } from '../../../infra/environments/outputFilter.ts';

const wanted = (seconds: number): WantedFilter => ({ by: 'did:op:1', filter: { image: 'f', command: ['/f'], seconds } });
const environment = (over: object = {}) => computeEnvironment.parse({ id: 'small', ...over });

describe('filters of publishers', () => {
  test.each<[string, readonly WantedFilter[], object, RegExp | null]>([
    ['none need nothing', [], {}, null],
    ['one fits', [wanted(60)], { ownerFilters: { seconds: 60 } }, null],
    [
      'one is refused where none run',
      [wanted(1)],
      {},
      /^The publisher of did:op:1 wants .* environment small runs no filters of publishers; choose another environment$/,
    ],
    [
      'several share the time',
      [wanted(40), wanted(40)],
      { ownerFilters: { seconds: 60 } },
      /may take 80 s, environment small gives them 60 s/,
    ],
    ['eight are one too many', Array.from({ length: 8 }, () => wanted(1)), { ownerFilters: {} }, /runs 7 filters in one job, not 8/],
  ])('%s', (_what, filters, over, message) => {
    const check = () => requireRoomForFilters(filters, environment(over));
    if (message === null) check();
    else expect(check).toThrow(expect.objectContaining({ type: 'AssetNotConsumable', message: expect.stringMatching(message) as string }));
  });

  test('have their time beside that for publishing', () => {
    const limits = { publishSeconds: 10 };
    const filter = { image: 'f', command: ['/f'], seconds: 5 };
    expect(
      [{ limits }, { limits, filter }, { limits, filter, ownerFilters: { seconds: 7 } }].map((over) => publishSecondsOf(environment(over))),
    ).toEqual([10, 15, 22]);
  });
});
