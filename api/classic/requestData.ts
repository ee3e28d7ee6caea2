/** What a classic request says: its query if it has one, else its JSON body, for every method. Classic Provider API §1. */

import express, { type Request, type RequestHandler, type Response } from 'express';
import { isJsonObject, parseExactJson, withPlainNumbers } from '../losslessJson.ts';
import type { JsonBody } from '../body.ts';

const nothing: JsonBody = { exact: {}, plain: {} };

const readQuery = (query: Request['query']): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(query).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]));

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

/** What is no JSON object counts as empty; JSON that must not be read is refused. */
const readBody = (bytes: Buffer): JsonBody => {
  const text = bytes.toString('utf8');
  if (!isJson(text)) return nothing;
  const exact = parseExactJson(text);
  return isJsonObject(exact) ? { exact, plain: withPlainNumbers(exact) as JsonBody['plain'] } : nothing;
};

/** Reads the request's data for `dataOf`. */
export const readRequestData = (limitBytes: number): readonly RequestHandler[] => [
  express.raw({ type: () => true, limit: limitBytes }),
  function readRequestData(req, res, next) {
    const body: unknown = req.body;
    const query = readQuery(req.query);
    if (Object.keys(query).length > 0) res.locals['data'] = { exact: query, plain: query } satisfies JsonBody;
    else res.locals['data'] = Buffer.isBuffer(body) ? readBody(body) : nothing;
    next();
  },
];

/** The data of a request: `exact` keeps every digit of large integers. */
export const dataOf = (res: Response): JsonBody => (res.locals['data'] as JsonBody | undefined) ?? nothing;

/** A text or number as text, anything else as absent. */
export const textOf = (value: unknown): string | null =>
  (typeof value === 'string' && value !== '') || typeof value === 'number' ? String(value) : null;

/** As a part of a signed message: what was not sent is empty, and so is the number 0. */
export const signedPart = (value: unknown): string => (value === 0 ? '' : (textOf(value) ?? ''));
