import fc from 'fast-check';
import { toDecimal } from '../../../infra/environments/decimal.ts';
import { priceOfRun, pricePerMinute } from '../../../infra/environments/prices.ts';

describe('pricePerMinute', () => {
  test.each<[string, { id: string; price: number }[], Record<string, number>, { units: bigint; scale: number }]>([
    ['nothing', [], { cpu: 4 }, { units: 0n, scale: 0 }],
    ['one resource', [{ id: 'cpu', price: 2 }], { cpu: 3 }, { units: 6n, scale: 0 }],
    [
      'tenths that floating point cannot hold',
      [
        { id: 'cpu', price: 0.1 },
        { id: 'ram', price: 0.2 },
      ],
      { cpu: 1, ram: 1 },
      { units: 3n, scale: 1 },
    ],
    ['parts of a resource', [{ id: 'cpu', price: 1.5 }], { cpu: 0.25 }, { units: 375n, scale: 3 }],
    ['what is not asked for', [{ id: 'gpu', price: 9 }], { cpu: 1 }, { units: 0n, scale: 0 }],
  ])('adds up %s', (_name, prices, resources, expected) => {
    expect(pricePerMinute({ prices }, resources)).toEqual(expected);
  });
});

describe('priceOfRun', () => {
  test.each<[string, number, number, number, number, bigint]>([
    ['a full minute', 1, 6, 0, 60, 1_000_000n],
    ['a started minute', 1, 6, 0, 61, 2_000_000n],
    ['a moment', 1, 6, 0, 0.2, 1_000_000n],
    ['no time, where the least is charged', 1, 6, 120, 0, 2_000_000n],
    ['no time, where nothing is the least', 1, 6, 0, 0, 0n],
    ['whole days', 0.5, 18, 1, 2 * 86_400 + 1, 1_440_500_000_000_000_000_000n],
    ['what is below a base unit', 0.000_000_1, 6, 0, 60, 0n],
    ['what is below a base unit in a minute, over ten of them', 0.000_000_1, 6, 0, 600, 1n],
    ['more than floating point can count', 1e21, 18, 0, 60, 10n ** 39n],
    ['a token without decimals', 3, 0, 1, 90, 6n],
  ])('charges %s', (_name, price, decimals, minSeconds, seconds, expected) => {
    expect(priceOfRun({ perMinute: toDecimal(price), decimals, minSeconds }, seconds)).toBe(expected);
  });

  test('a longer run never costs less', () => {
    const prices = fc.double({ min: 0, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(prices, fc.nat(1e7), fc.nat(1e5), (price, seconds, more) => {
        const tariff = { perMinute: toDecimal(price), decimals: 18, minSeconds: 1 };
        return priceOfRun(tariff, seconds + more) >= priceOfRun(tariff, seconds);
      }),
    );
  });
});
