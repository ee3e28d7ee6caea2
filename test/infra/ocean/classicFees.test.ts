import fc from 'fast-check';
import { classicPriceOf, classicResources } from '../../../infra/environments/classicOffer.ts';
import { add, multiply, toDecimal, toNumber } from '../../../infra/environments/decimal.ts';
import { feeAmount, findPayment, secondsUntil, type FeeOrder } from '../../../infra/ocean/classic/fees.ts';
import { anEnvironment } from './support/world.ts';

const token = `0x${'1'.repeat(40)}`;
const otherToken = `0x${'2'.repeat(40)}`;
const day = 86_400;

describe('decimals', () => {
  test.each<[number, string, number]>([
    [0, '0', 0],
    [1.2, '12', 1],
    [60, '60', 0],
    [1e21, `1${'0'.repeat(21)}`, 0],
    [1e-7, '1', 7],
    [2.5e-9, '25', 10],
  ])('%p is read as it is written', (value, units, scale) => {
    expect(toDecimal(value)).toEqual({ units: BigInt(units), scale });
  });

  test('tenths add up to what people expect', () => {
    expect(toNumber(add(toDecimal(0.1), toDecimal(0.2)))).toBe(0.3);
    expect(toNumber(multiply(toDecimal(0.1), toDecimal(3)))).toBe(0.3);
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('%p is no amount', (value) => {
    expect(() => toDecimal(value)).toThrow(RangeError);
  });
});

describe('durations', () => {
  test.each<[string, number, number, number]>([
    ['an hour', 1_700_003_600, 1_700_000_000, 3_600],
    ['whole days count', 1_700_000_000 + 3 * day, 1_700_000_000, 3 * day],
    ['a part of a second does not', 1_700_003_600, 1_700_000_000.5, 3_599],
    ['a time that has passed is none', 1_700_000_000, 1_700_000_001, 0],
    ['no limit is none', 0, 1_700_000_000, 0],
  ])('%s', (_name, until, now, seconds) => {
    expect(secondsUntil(until, now)).toBe(seconds);
  });
});

describe('fee amounts', () => {
  // Classic Provider API, test vectors
  test.each<[number, number, number, string]>([
    [3_600, 1.2, 18, '72000000000000000000'],
    [3_600, 60, 18, '3600000000000000000000'],
    [90_000, 60, 6, '90000000000'],
    [0, 60, 6, '0'],
    [1, 1, 6, '16666'],
    [59, 1e-18, 18, '0'],
    [60, 1e-18, 18, '1'],
    [365 * day, 0.1, 18, '52560000000000000000000'],
    [7, 3, 0, '0'],
    [20, 3, 0, '1'],
  ])('%p s at %p a minute with %p decimals', (seconds, price, decimals, amount) => {
    expect(feeAmount({ perMinute: toDecimal(price), decimals }, seconds)).toBe(BigInt(amount));
  });

  test('are never above the exact value, and less than one unit below it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10 ** 9 }),
        fc.bigInt(0n, 10n ** 24n),
        fc.integer({ min: 0, max: 18 }),
        (seconds, units, scale) => {
          const amount = feeAmount({ perMinute: { units, scale }, decimals: 18 }, seconds);
          const exact = BigInt(seconds) * units * 10n ** 18n;
          const unit = 60n * 10n ** BigInt(scale);
          expect(amount * unit <= exact && exact < (amount + 1n) * unit).toBe(true);
        },
      ),
    );
  });
});

describe('what an environment costs', () => {
  const prices = [
    { id: 'cpu', price: 0.5 },
    { id: 'ram', price: 0.1 },
  ];
  const priced = anEnvironment({
    resources: { cpu: { min: 1, max: 4, total: 8 }, ram: { min: 1, max: 3, total: 8 }, disk: { min: 1, max: 1, total: 8 } },
    fees: [
      { chainId: 8996, feeToken: otherToken, prices: [{ id: 'cpu', price: 9 }] },
      { chainId: 8996, feeToken: token, prices },
    ],
  });

  test('a job is given as much as a job may have', () => {
    expect(classicResources(priced)).toEqual({ cpu: 4, ram: 3, disk: 1 });
  });

  test.each<[string, number, string | null, unknown]>([
    ['in the chain\'s own fee token', 8996, token.toUpperCase().replace('0X', '0x'), { feeToken: token, perMinute: 2.3 }],
    ['in the first token where the chain\'s is not priced', 8996, null, { feeToken: otherToken, perMinute: 36 }],
    ['nowhere but where it has a price', 1, token, null],
  ])('is priced %s', (_name, chainId, chainToken, expected) => {
    const price = classicPriceOf(priced, chainId, chainToken);
    expect(price && { ...price, perMinute: toNumber(price.perMinute) }).toEqual(expected);
  }); // prettier-ignore

  test('without prices it costs nothing, on the chains that it takes', () => {
    expect(classicPriceOf(anEnvironment({ chainIds: [1] }), 1, token)).toEqual({ feeToken: token, perMinute: { units: 0n, scale: 0 } });
    expect(classicPriceOf(anEnvironment({ chainIds: [1] }), 8996, token)).toBeNull();
  });
});

describe('which order pays', () => {
  const now = 1_700_000_000;
  const rate = { perMinute: toDecimal(60), token, decimals: 0 };
  const free = { ...rate, perMinute: toDecimal(0) };
  const anOrder = (over: Partial<FeeOrder['fee']> & { tx?: string; role?: FeeOrder['role'] } = {}): FeeOrder => {
    const { tx = '0xA1', role = 'dataset', ...fee } = over;
    return { role, transferTxId: tx, fee: { amount: 3_600n, token, validUntil: now + 3_600, quotedAt: now, ...fee } };
  };
  const unpaid = { amount: 0n } as const;

  test.each<[string, FeeOrder[], number, string | null]>([
    ['the only one, if it carries the fee', [anOrder()], now, '0xa1'],
    ['the last dataset that pays', [anOrder(), anOrder({ tx: '0xb2' }), anOrder({ tx: '0xc3', ...unpaid })], now, '0xb2'],
    ['the algorithm, if it pays', [anOrder(), anOrder({ tx: '0xa7', role: 'algorithm' })], now, '0xa7'],
    ['the dataset, if the algorithm does not', [anOrder(), anOrder({ tx: '0xa7', role: 'algorithm', ...unpaid })], now, '0xa1'],
    ['none, a unit short', [anOrder({ amount: 3_599n })], now, null],
    ['none in another token', [anOrder({ token: otherToken })], now, null],
    ['the order in whatever spelling of the token', [anOrder({ token: token.toUpperCase().replace('0X', '0x') })], now, '0xa1'],
    ['none, if another order lasts longer', [anOrder(), anOrder({ tx: '0xb2', ...unpaid, validUntil: now + 7_200 })], now, null],
    ['later less is due', [anOrder({ validUntil: now + 3_600 })], now + 3_599, '0xa1'],
    ['but a fee of nothing never pays for time', [anOrder({ ...unpaid, validUntil: now + 60 })], now + 60, null],
    ['nor does a fee without an end', [anOrder({ validUntil: 0 })], now, null],
  ])('%s', (_name, orders, nowSeconds, agreementId) => {
    expect(findPayment(orders, rate, nowSeconds)?.agreementId ?? null).toBe(agreementId);
  });

  test.each<[string, FeeOrder[], string]>([
    ['the last dataset of a raw algorithm', [anOrder(unpaid), anOrder({ tx: '0xb2', ...unpaid })], '0xb2'],
    ['a published algorithm', [anOrder(unpaid), anOrder({ tx: '0xa7', role: 'algorithm', ...unpaid, token: otherToken })], '0xa7'],
  ])('where time costs nothing: %s', (_name, orders, agreementId) => {
    expect(findPayment(orders, free, now)).toEqual({ agreementId, paidSeconds: null });
  });

  test('whole days that were paid for are granted', () => {
    const order = anOrder({ amount: BigInt(2 * day + 5), validUntil: now + 2 * day + 5 });
    expect(findPayment([order], rate, now)?.paidSeconds).toBe(2 * day + 5);
  });

  test('no order, no payment', () => {
    expect(findPayment([], free, now)).toBeNull();
  });
});
