/** Reads JSON bodies: whatever the content type says, without losing digits, and never as anything but a 400. */

import express, { type Request, type RequestHandler } from 'express';
import { isJsonObject, parseExactJson, withPlainNumbers } from './losslessJson.ts';
import { Refusal } from './problems.ts';

/**
 * Puts the parsed body into `req.body`; an empty body stays undefined.
 * @param limitBytes larger bodies are refused with 413, compressed ones by their inflated size
 */
export const readJson = (limitBytes: number): readonly RequestHandler[] => [
  express.raw({ type: () => true, limit: limitBytes }),
  function readJson(req, _res, next) {
    const body: unknown = req.body;
    req.body = Buffer.isBuffer(body) && body.length > 0 ? parseExactJson(decodeUtf8(body)) : undefined;
    next();
  },
];

const decodeUtf8 = (bytes: Buffer): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Refusal(400, 'The request body is not UTF-8 text');
  }
};

/** A JSON object from a request: `exact` keeps every digit of large integers, `plain` has ordinary numbers. */
export interface JsonBody {
  readonly exact: Readonly<Record<string, unknown>>;
  readonly plain: Readonly<Record<string, unknown>>;
}

/** @throws Refusal 400 `Missing required body` when there is none, another text when it is no object */
export const requireJsonObject = (req: Request): JsonBody => {
  const body: unknown = req.body;
  if (body === undefined || body === null) throw new Refusal(400, 'Missing required body');
  if (!isJsonObject(body)) throw new Refusal(400, 'The request body must be a JSON object');
  return { exact: body, plain: withPlainNumbers(body) as Record<string, unknown> };
};
