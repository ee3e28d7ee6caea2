/** What is offered for gas. Pure. */

/** Per unit of gas, in base units of the chain's currency. */
export interface GasPrice {
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
  /** false: the chain knows gas prices only, and both are that */
  readonly hasBaseFee: boolean;
}

const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** Nodes take a replacement that offers at least a tenth more of both; a quarter also gets it mined sooner. */
const raise = (price: bigint): bigint => (price * 5n + 3n) / 4n + 1n;

/** The price of a transaction that replaces one which nobody mines. @param market what the node thinks right now */
export const replacementPrice = (before: Omit<GasPrice, 'hasBaseFee'>, market: GasPrice): GasPrice => ({
  hasBaseFee: market.hasBaseFee,
  maxFeePerGas: larger(raise(before.maxFeePerGas), market.maxFeePerGas),
  maxPriorityFeePerGas: larger(raise(before.maxPriorityFeePerGas), market.maxPriorityFeePerGas),
});

/** Room for what changes on the chain between the estimate and the block. */
export const gasLimitOf = (estimate: bigint): bigint => (estimate * 5n) / 4n;

/** The most that a transaction can take from its sender. */
export const highestCost = (
  { maxFeePerGas }: GasPrice,
  { gasLimit, value }: { readonly gasLimit: bigint; readonly value: bigint },
): bigint => gasLimit * maxFeePerGas + value;
