/** What a call says, and what it must say. Operator-Service API §1 to §3. */

import type { Response } from 'express';
import { isLosslessNumber } from 'lossless-json';
import type { JsonBody } from '../body.ts';
import { dataOf } from '../classic/requestData.ts';
import { Refusal } from '../problems.ts';

export type Data = Readonly<Record<string, unknown>>;

/** @throws Refusal 400 for a call that says nothing */
export const requireData = (res: Response): JsonBody => {
  const data = dataOf(res);
  if (Object.keys(data.exact).length === 0) throw new Refusal(400, 'payload seems empty.');
  return data;
};

/** Every attribute must be there, whatever its value, in this order. @param call e.g. `POST:/compute` */
export const requireAttributes = (data: Data, attributes: readonly string[], call: string): void => {
  const missing = attributes.find((attribute) => !Object.hasOwn(data, attribute));
  if (missing !== undefined) throw new Refusal(400, `"${missing}" is required in the call to ${call}`);
};

/** A text as it is, a number with all its digits; null for everything else, also for an empty text. */
export const exactText = (value: unknown): string | null => {
  if (typeof value === 'number' || isLosslessNumber(value)) return value.toString();
  return typeof value === 'string' && value !== '' ? value : null;
};

const longestName = 512;

/** Ids, addresses, transactions: printable and short; null for what can be none. */
export const readName = (value: unknown): string | null => {
  const text = exactText(value);
  return text !== null && text.length <= longestName && /^[\x20-\x7e]*$/.test(text) ? text : null;
};

/** `chain_id` is an alias; null where neither is there. Chains are compared as texts. */
export const readChainId = (data: Data): string | null => exactText(data['chainId']) ?? exactText(data['chain_id']);

/** Puts a call's own words before the text of a refusal. */
export const withPrefix = async <Result>(prefix: string, work: () => Promise<Result>): Promise<Result> => {
  try {
    return await work();
  } catch (err) {
    if (err instanceof Refusal && err.status === 400) throw new Refusal(400, prefix + err.message, err.headers);
    throw err;
  }
};
