/** Rules for the fields of classic requests, with the texts that clients know: Classic Provider API §2. */

import { isLosslessNumber } from 'lossless-json';
import { isJsonObject } from '../losslessJson.ts';
import { InvalidFields } from './problems.ts';

type Data = Readonly<Record<string, unknown>>;

/** A rule's verdict on one field: null is good. */
export type FieldRule = (value: unknown, field: string, data: Data) => string | null;

/** A field by its path, and its rules in order: the first that fails is told. */
export type FieldRules = Readonly<Record<string, readonly FieldRule[]>>;

/** The value at a path like `dataset.documentId`. */
export const valueAt = (data: Data, path: string): unknown =>
  path.split('.').reduce<unknown>((value, key) => (isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined), data);

/** Not sent, or sent as nothing. The number 0 is something. */
export const isEmpty = (value: unknown): boolean => value === undefined || value === null || value === '';

const digits = (value: unknown): string | null => {
  if (typeof value === 'number' || isLosslessNumber(value)) return value.toString();
  return typeof value === 'string' ? value : null;
};

export const required: FieldRule = (value, field) => (isEmpty(value) ? `The ${field} field is required.` : null);

export const requiredWithout =
  (other: string): FieldRule =>
  (value, field, data) =>
    isEmpty(value) && isEmpty(valueAt(data, other)) ? `The ${field} field is required when ${other} is not present.` : null;

export const requiredIf =
  (other: string, wanted: string): FieldRule =>
  (value, field, data) =>
    isEmpty(value) && valueAt(data, other) === wanted ? `The ${field} field is required when ${other} is ${wanted}.` : null;

/** For nonces: no sign, no fraction, and at most 2^53−1, because clients compute `Number(nonce) + 1`. */
export const nonceNumber: FieldRule = (value, field) => {
  const text = digits(value) ?? '';
  return /^\d{1,16}$/.test(text) && BigInt(text) <= BigInt(Number.MAX_SAFE_INTEGER) ? null : `The ${field} must be a number.`;
};

export const integer: FieldRule = (value, field) =>
  isEmpty(value) || /^-?\d{1,15}$/.test(digits(value) ?? '') ? null : `The ${field} must be an integer.`;

export const oneOf =
  (...values: readonly string[]): FieldRule =>
  (value, field) =>
    isEmpty(value) || (typeof value === 'string' && values.includes(value)) ? null : `The selected ${field} is invalid.`;

export const matching =
  (form: RegExp): FieldRule =>
  (value, field) =>
    isEmpty(value) || (typeof value === 'string' && form.test(value)) ? null : `The ${field} format is invalid.`;

/** Addresses that are not signed for are looked up: they must be ones. */
export const address: FieldRule = matching(/^0x[0-9a-f]{40}$/i);

export const inFuture: FieldRule = (value) => (Number(digits(value)) > Date.now() / 1_000 ? null : 'Invalid timestamp provided.');

/** What is wrong with the fields, by field; empty when all are good. */
export const judgeFields = (rules: FieldRules, data: Data): Record<string, readonly string[]> => {
  const errors: Record<string, readonly string[]> = {};
  for (const [field, checks] of Object.entries(rules)) {
    const value = valueAt(data, field);
    const problem = checks.map((check) => check(value, field, data)).find((text) => text !== null);
    if (problem !== undefined && problem !== null) errors[field] = [problem];
  }
  return errors;
};

/** @throws InvalidFields */
export const requireFields = (rules: FieldRules, data: Data): void => {
  const errors = judgeFields(rules, data);
  if (Object.keys(errors).length > 0) throw new InvalidFields(errors);
};
