/** What the calls for access services read from a query. */

import { isAbsent } from '../authentication.ts';
import { Refusal } from '../problems.ts';

/** @returns null when there is none. @throws Refusal 400 for anything but a non-negative integer */
export const readFileIndex = (value: unknown): number | null => {
  if (isAbsent(value)) return null;
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string' || !/^\d{1,6}$/.test(text)) throw new Refusal(400, 'fileIndex is no index: it must be an integer from 0');
  return Number(text);
};

/** JSON as clients encode it, or the text itself; null for none. */
export const readUserdata = (value: unknown): unknown => {
  if (isAbsent(value) || typeof value !== 'string') return null;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
};

/** @throws Refusal 400 naming the first parameter that is missing or given twice */
export const requireTexts = <Name extends string>(
  query: Readonly<Record<string, unknown>>,
  names: readonly Name[],
  command: string,
): Record<Name, string> => {
  const missing = names.find((name) => typeof query[name] !== 'string' || isAbsent(query[name]));
  if (missing !== undefined) {
    throw new Refusal(
      400,
      `Missing one ( "${missing}" ) or more required field(s) for command: "${command}". Required fields: ${names.join(',')}`,
    );
  }
  return Object.fromEntries(names.map((name) => [name, String(query[name])])) as Record<Name, string>;
};
