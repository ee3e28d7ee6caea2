/** JSON of requests, read without losing digits, and its canonical form. */

import { LosslessNumber, isLosslessNumber, parse } from 'lossless-json';
import { Refusal } from './problems.ts';

/** Deeper documents are refused before anything walks them recursively. */
const maxDepth = 100;

const integer = /^-?(0|[1-9]\d*)$/;

const readNumber = (text: string): number | LosslessNumber =>
  integer.test(text) && !Number.isSafeInteger(Number(text)) ? new LosslessNumber(text) : Number(text);

const assertShallow = (text: string): void => {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i];
    if (inString) {
      if (char === '\\') i += 1;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === '{' || char === '[') {
      depth += 1;
      if (depth > maxDepth) throw new Refusal(400, `The request body is nested deeper than ${maxDepth} levels`);
    } else if (char === '}' || char === ']') depth -= 1;
  }
};

const assertStorable = (text: string): void => {
  if (text.includes('\u0000') || !text.isWellFormed())
    throw new Refusal(400, 'The request body contains a NUL character or broken Unicode');
};

const assertText = (value: unknown): void => {
  if (typeof value === 'string') assertStorable(value);
  else if (Array.isArray(value)) for (const item of value) assertText(item);
  else if (isJsonObject(value)) {
    for (const [key, item] of Object.entries(value)) {
      assertStorable(key);
      assertText(item);
    }
  }
};

/** True for a JSON object: no array, no null, no number that was kept as text. */
export const isJsonObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isLosslessNumber(value);

/**
 * Reads a JSON text. Integers beyond 2^53−1 stay LosslessNumbers; everything else is what `JSON.parse` makes of it.
 * @throws Refusal 400 for anything that is not JSON, names a key twice, is nested too deeply or holds NUL characters
 */
export const parseExactJson = (text: string): unknown => {
  assertShallow(text);
  let value: unknown;
  try {
    value = parse(text, null, readNumber);
  } catch {
    // the parser's own message quotes the body
    throw new Refusal(400, 'The request body is not valid JSON');
  }
  assertText(value);
  return value;
};

/** The same document with plain numbers, as `JSON.parse` would have read it. */
export const withPlainNumbers = (value: unknown): unknown => {
  if (isLosslessNumber(value)) return Number(value.toString());
  if (Array.isArray(value)) return value.map(withPlainNumbers);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withPlainNumbers(item)]));
};

/**
 * JSON with sorted keys and no blanks: equal documents have equal texts.
 * @param value what `parseExactJson` returned; large integers keep all their digits
 */
export const canonicalJson = (value: unknown): string => {
  if (isLosslessNumber(value)) return value.toString();
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`).join(',')}}`;
};
