/** Compute fees of classic jobs: exact amounts, and which order pays. Pure. */

import type { Decimal } from '../../environments/decimal.ts';
import { isSameId } from '../ids.ts';
import type { PaidFee } from '../orderRules.ts';

/** What compute time costs. */
export interface FeeRate {
  /** in whole tokens */
  readonly perMinute: Decimal;
  readonly token: string;
  readonly decimals: number;
}

/** Full seconds between two times in seconds, whole days included, never below 0. */
export const secondsUntil = (validUntil: number, nowSeconds: number): number => Math.max(0, Math.floor(validUntil - nowSeconds));

/**
 * Classic Provider API §6: seconds · price / 60, in base units, rounded down. Integers only.
 * @param seconds whole and not negative
 */
export const feeAmount = ({ perMinute, decimals }: Pick<FeeRate, 'perMinute' | 'decimals'>, seconds: number): bigint =>
  (BigInt(seconds) * perMinute.units * 10n ** BigInt(decimals)) / (60n * 10n ** BigInt(perMinute.scale));

/** An order that passed every other check. */
export interface FeeOrder {
  readonly role: 'dataset' | 'algorithm';
  readonly transferTxId: string;
  readonly fee: PaidFee;
}

/** What was paid. */
export interface ClassicPayment {
  /** lower-case transaction of the order that pays */
  readonly agreementId: string;
  /** run time that was paid for; null where time costs nothing */
  readonly paidSeconds: number | null;
}

/**
 * True when a fee is worth the time that it would grant: items beside the charged one carry fees of nothing, and in
 * the last moments of a fee hardly anything is due.
 */
const coversItself = ({ amount, validUntil, quotedAt }: PaidFee, rate: FeeRate): boolean =>
  validUntil > 0 && amount >= feeAmount(rate, secondsUntil(validUntil, quotedAt));

/**
 * Which order pays for a job. The fee from now to the latest `validUntil` of all orders is due, and any one order may
 * carry it, in our token: the algorithm's if it does, else that of the last dataset which does.
 * @returns null when none pays enough
 * @see Classic Provider API §6
 */
export const findPayment = (orders: readonly FeeOrder[], rate: FeeRate, nowSeconds: number): ClassicPayment | null => {
  const latest = Math.max(0, ...orders.map(({ fee }) => fee.validUntil));
  const due = feeAmount(rate, secondsUntil(latest, nowSeconds));
  const isPriced = rate.perMinute.units > 0n;
  const pays = ({ fee }: FeeOrder): boolean =>
    !isPriced || (fee.amount >= due && isSameId(fee.token, rate.token) && coversItself(fee, rate));
  const paying = orders.filter(pays);
  const chosen = paying.find(({ role }) => role === 'algorithm') ?? paying.at(-1);
  if (chosen === undefined) return null;
  const { validUntil, quotedAt } = chosen.fee;
  return {
    agreementId: chosen.transferTxId.toLowerCase(),
    paidSeconds: isPriced ? secondsUntil(validUntil, quotedAt) : null,
  };
};
