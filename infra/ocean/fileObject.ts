/** File objects: where a dataset's or an algorithm's bytes are. Texts are Ocean Provider's, read by clients. */

import { z } from 'zod';
import { JobFailure } from '../../workflows/contract/failures.ts';

/** One function of a contract, as the publisher gave it. */
export interface ContractFunction {
  readonly name: string;
  readonly type: 'function';
  readonly stateMutability: 'view' | 'pure';
  readonly inputs: readonly { readonly name: string; readonly type: string }[];
  readonly outputs: readonly unknown[];
}

/**
 * A result of a job of this service. Only documents of published assets may name one, and only with the asset they
 * were found in: it is never read from a request.
 */
export interface ResultFile {
  readonly type: 'c2dResult';
  readonly jobId: string;
  /** in the list of the job's results */
  readonly index: number;
  /** the asset whose document names it */
  readonly nftAddress: string;
  /** empty where the document tells none */
  readonly name: string;
}

/** File objects that anybody may write. */
type PlainFileObject =
  | {
      readonly type: 'url';
      readonly url: string;
      readonly method: 'GET' | 'POST';
      readonly headers: Readonly<Record<string, string>>;
      readonly userdata: unknown;
    }
  | { readonly type: 'ipfs'; readonly hash: string; readonly headers: Readonly<Record<string, string>> }
  | { readonly type: 'arweave'; readonly transactionId: string; readonly headers: Readonly<Record<string, string>> }
  | { readonly type: 'graphql'; readonly url: string; readonly query: string; readonly headers: Readonly<Record<string, string>> }
  | { readonly type: 'smartcontract'; readonly address: string; readonly chainId: number | null; readonly abi: ContractFunction };

export type FileObject = PlainFileObject | ResultFile;

const invalid = (message: string): JobFailure => new JobFailure('RequestInvalid', message);
const missingKeys = 'malformed service files, missing required keys.';

const filled = z.string().min(1);
/** Header values may be numbers; names and values must be sendable. */
const headerMap = z.record(
  z.string().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/),
  z
    .union([z.string(), z.number()])
    .transform(String)
    .refine((value) => /^[\t\x20-\x7e\x80-\xff]*$/.test(value)),
);

const readHeaders = (headers: unknown): Readonly<Record<string, string>> => {
  // some publishers write an empty list, or text, where an object belongs
  if (headers === undefined || headers === null || headers === '' || (Array.isArray(headers) && headers.length === 0)) return {};
  const parsed = headerMap.safeParse(headers);
  if (!parsed.success) throw invalid('malformed file object.');
  return parsed.data;
};

type Fields = Readonly<Record<string, unknown>>;

const readText = (value: unknown, problem: string): string => {
  const parsed = filled.safeParse(value);
  if (!parsed.success) throw invalid(problem);
  return parsed.data;
};

const readWebUrl = (value: unknown, problem: string): string => {
  const url = readText(value, problem);
  const parsed = URL.parse(url);
  if (parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) throw invalid(problem);
  return url;
};

const readMethod = (value: unknown): 'GET' | 'POST' => {
  const method = typeof value === 'string' && value !== '' ? value.toLowerCase() : 'get';
  if (value !== undefined && value !== null && typeof value !== 'string') throw invalid('malformed file object.');
  if (method !== 'get' && method !== 'post') throw invalid(`Unsafe method ${method.slice(0, 20)}.`);
  return method === 'get' ? 'GET' : 'POST';
};

const abiSchema = z.object({
  name: z.string().optional(),
  type: z.literal('function'),
  stateMutability: z.string(),
  inputs: z.array(z.object({ name: z.string(), type: filled })),
  outputs: z.array(z.unknown()).default([]),
});

const readAbi = (value: unknown): ContractFunction => {
  const parsed = abiSchema.safeParse(value);
  if (!parsed.success) throw invalid('invalid abi');
  const { name, stateMutability, ...rest } = parsed.data;
  if (stateMutability !== 'view' && stateMutability !== 'pure') throw invalid('only view or pure functions are allowed');
  if (name === undefined || name === '') throw invalid('missing name');
  return { ...rest, name, stateMutability };
};

const contractAddress = z.string().regex(/^0x[0-9a-fA-F]{40}$/);
const chainNumber = z.coerce.number().int().positive();

const readContract = (file: Fields): PlainFileObject => {
  const address = contractAddress.safeParse(file['address']);
  if (!address.success) throw invalid('malformed smartcontract type, missing contract address');
  const chainId = chainNumber.safeParse(file['chainId']);
  return { type: 'smartcontract', address: address.data, chainId: chainId.success ? chainId.data : null, abi: readAbi(file['abi']) };
};

const readers: Readonly<Record<PlainFileObject['type'], (file: Fields) => PlainFileObject>> = {
  url: (file) => ({
    type: 'url',
    url: readWebUrl(file['url'], missingKeys),
    method: readMethod(file['method']),
    headers: readHeaders(file['headers']),
    userdata: file['userdata'] ?? null,
  }),
  ipfs: (file) => ({ type: 'ipfs', hash: readText(file['hash'], missingKeys), headers: readHeaders(file['headers']) }),
  arweave: (file) => ({
    type: 'arweave',
    transactionId: readText(file['transactionId'], 'malformed service files, missing transactionId.'),
    headers: readHeaders(file['headers']),
  }),
  graphql: (file) => ({
    type: 'graphql',
    url: readWebUrl(file['url'], 'missing graphql endpoint'),
    query: readText(file['query'], 'missing graphql query'),
    headers: readHeaders(file['headers']),
  }),
  smartcontract: readContract,
};

/**
 * Reads one file object.
 * @param value from a decrypted document or a request; hostile
 * @throws JobFailure RequestInvalid with the texts of Ocean Provider
 */
export const parseFileObject = (value: unknown): PlainFileObject => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('malformed file object.');
  const file = value as Fields;
  const type = file['type'];
  if (typeof type !== 'string') throw invalid(missingKeys);
  if (!Object.hasOwn(readers, type)) throw invalid(`Unsupported type ${type.replaceAll(/[^\w-]/g, '').slice(0, 40)}`);
  return readers[type as PlainFileObject['type']](file);
};

/** As `services[].files` of an asset has results once it is decrypted: all of a job's first `count` results. */
export interface SealedResults {
  readonly type: 'c2dResults';
  readonly jobId: string;
  readonly count: number;
  /** of each of them, or absent where there are too many */
  readonly names?: readonly string[];
}

/** Many names would cost more on the chain than they are worth; characters of all together. */
const mostNames = 64;
const longestNames = 4_096;
const mostResults = 100_001;

const sealedResults = z.object({
  type: z.literal('c2dResults'),
  jobId: z.string().regex(/^[0-9a-f]{32}$/),
  count: z.number().int().positive().max(mostResults),
  names: z.array(z.string()).max(mostNames).optional(),
});

/** @param names of the results in order */
export const sealResults = (jobId: string, names: readonly string[]): SealedResults => ({
  ...{ type: 'c2dResults', jobId, count: names.length },
  ...(names.length > mostNames || names.join('').length > longestNames ? {} : { names }),
});

/**
 * Reads an entry of a published service's files, which may stand for many.
 * @param value decrypted; hostile @param nftAddress of the asset whose document it is
 * @throws JobFailure RequestInvalid
 */
export const parsePublishedFiles = (value: unknown, nftAddress: string): readonly FileObject[] => {
  const parsed = sealedResults.safeParse(value);
  if (!parsed.success) return [parseFileObject(value)];
  const { jobId, count, names } = parsed.data;
  return Array.from({ length: count }, (_, index) => ({ type: 'c2dResult', jobId, index, nftAddress, name: names?.[index] ?? '' }));
};
