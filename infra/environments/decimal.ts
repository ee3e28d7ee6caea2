/** Exact decimal arithmetic for prices: amounts of money never pass through floating point. */

/** `units` divided by ten to the power of `scale`. */
export interface Decimal {
  readonly units: bigint;
  readonly scale: number;
}

export const zero: Decimal = { units: 0n, scale: 0 };

const notation = /^(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i;

/**
 * The number as it is written, not as it is stored: 0.1 is one tenth.
 * @param value finite and not negative
 */
export const toDecimal = (value: number): Decimal => {
  const match = notation.exec(String(value));
  if (match === null) throw new RangeError(`${value} is no amount`);
  const [, whole = '0', fraction = '', exponent = '0'] = match;
  const units = BigInt(whole + fraction);
  const scale = fraction.length - Number(exponent);
  return scale < 0 ? { units: units * 10n ** BigInt(-scale), scale: 0 } : { units, scale };
};

export const multiply = (a: Decimal, b: Decimal): Decimal => ({ units: a.units * b.units, scale: a.scale + b.scale });

export const add = (a: Decimal, b: Decimal): Decimal => {
  const scale = Math.max(a.scale, b.scale);
  const raise = ({ units, scale: own }: Decimal): bigint => units * 10n ** BigInt(scale - own);
  return { units: raise(a) + raise(b), scale };
};

/** The nearest number, for people and clients that only show it. */
export const toNumber = ({ units, scale }: Decimal): number => Number(`${units}e-${scale}`);
