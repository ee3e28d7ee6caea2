/** Opens the bytes behind a file object. No message names a URL: it may be a secret. */

import type { Readable } from 'node:stream';
import type { GuardedFetch, OutboundRequest, OutboundResponse } from '../outbound/guardedFetch.ts';
import type { ChainReader } from './chains.ts';
import type { ResultFiles } from './assets/resultFiles.ts';
import { callContract } from './contractFile.ts';
import type { FileObject, ResultFile } from './fileObject.ts';
import { SourceFailure } from './sourceFailure.ts';

/** A file's bytes on their way. */
export interface OpenedFile {
  /** its owner reads it to the end or destroys it */
  readonly stream: Readable;
  /** of the whole file; null when the source does not say */
  readonly sizeBytes: number | null;
  /** offset of the first byte in `stream`; 0 when the source cannot continue in the middle */
  readonly start: number;
  /** as the source says it; null when it does not */
  readonly contentType: string | null;
}

export interface FileSource {
  /** @throws SourceFailure permanent: asking again is pointless; transient: later may help */
  open(file: FileObject, options: OpenOptions): Promise<OpenedFile>;
}

export interface OpenOptions {
  /** first byte wanted */
  readonly start: number;
  /** the consumer's parameters for this input */
  readonly userdata: unknown;
  readonly signal: AbortSignal;
}

export interface FileSourceDeps {
  readonly guardedFetch: GuardedFetch;
  /** e.g. `https://ipfs.io` */
  readonly ipfsGateway: string;
  /** e.g. `https://arweave.net/` */
  readonly arweaveGateway: string;
  /** by chain id; the first one serves contract files that name no chain */
  readonly chains: ReadonlyMap<number, ChainReader>;
  /** absent in a process that cannot read results */
  readonly results?: ResultFiles | undefined;
}

type Parameters = Readonly<Record<string, unknown>>;

const readParameters = (userdata: unknown): Parameters => {
  let value = userdata;
  if (typeof value === 'string') {
    try {
      value = JSON.parse(value) as unknown;
    } catch {
      return {};
    }
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Parameters) : {};
};

const addQuery = (url: string, parameters: Parameters): string => {
  const entries = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined);
  if (entries.length === 0) return url;
  const texts = entries.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)] as const);
  const query = new URLSearchParams(Object.fromEntries(texts));
  // appended as text: a signed URL must not be written anew
  const [target = '', ...fragment] = url.split('#');
  const separator = target.includes('?') ? '&' : '?';
  return [`${target}${separator}${query.toString()}`, ...fragment].join('#');
};

const join = (base: string, path: string): string => `${base.replace(/\/+$/, '')}/${path}`;

/** A content path of a gateway: an identifier and perhaps a path in it, nothing that climbs out of it. */
const encodePath = (text: string): string => {
  const parts = text.replace(/^\/+/, '').split('/');
  if (parts.some((part) => part === '..' || part === '.')) throw new SourceFailure('permanent', 'the file object names no content');
  return parts.map(encodeURIComponent).join('/');
};

type WebFile = Exclude<FileObject, { readonly type: 'smartcontract' | 'c2dResult' }>;

const postJson = (url: string, headers: Readonly<Record<string, string>>, body: unknown): OutboundRequest => ({
  url,
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

const requestOf = (file: WebFile, { start, userdata }: OpenOptions, deps: FileSourceDeps): OutboundRequest => {
  const range = start > 0 ? { range: { start } } : {};
  switch (file.type) {
    case 'url': {
      // what the publisher fixed, a consumer cannot change
      const parameters = { ...readParameters(userdata), ...readParameters(file.userdata) };
      if (file.method === 'POST') return postJson(file.url, file.headers, parameters);
      return { url: addQuery(file.url, parameters), method: 'GET', headers: file.headers, ...range };
    }
    case 'ipfs':
      return { url: join(deps.ipfsGateway, `ipfs/${encodePath(file.hash)}`), method: 'GET', headers: file.headers, ...range };
    case 'arweave':
      return { url: join(deps.arweaveGateway, encodePath(file.transactionId)), method: 'GET', headers: file.headers, ...range };
    case 'graphql':
      return postJson(file.url, file.headers, { query: file.query, variables: readParameters(userdata) });
    default:
      return file satisfies never;
  }
};

const readCount = (text: string | undefined): number | null => (text !== undefined && /^\d{1,15}$/.test(text.trim()) ? Number(text) : null);

const transientStatuses = new Set([408, 421, 423, 425, 429]);

const failureOfStatus = (status: number): SourceFailure => {
  const isTransient = status >= 500 || transientStatuses.has(status);
  return new SourceFailure(isTransient ? 'transient' : 'permanent', `the data source answered with status ${status}`);
};

/** What a response says about the whole file; destroys the body of a response that is of no use. */
export const readOpened = ({ status, headers, body }: OutboundResponse, start: number): OpenedFile => {
  const contentType = headers['content-type'] ?? null;
  if (status === 200) {
    const isPlain = (headers['content-encoding'] ?? 'identity') === 'identity';
    return { stream: body, sizeBytes: isPlain ? readCount(headers['content-length']) : null, start: 0, contentType };
  }
  const range = status === 206 ? /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15}|\*)$/.exec(headers['content-range'] ?? '') : null;
  if (range !== null && Number(range[1]) === start) return { stream: body, sizeBytes: readCount(range[2]), start, contentType };
  body.on('error', () => undefined).destroy();
  if (status === 206) throw new SourceFailure('transient', 'the data source sent another part of the file than asked for');
  throw failureOfStatus(status);
};

/** @throws SourceFailure in any case; an address is never part of it */
export const translate = (err: unknown): never => {
  if (err instanceof SourceFailure) throw err;
  const isRefused = err instanceof Error && err.name === 'OutboundRefused';
  const message = err instanceof Error && /^Outbound/.test(err.name) ? err.message : 'the data source cannot be read';
  throw new SourceFailure(isRefused ? 'permanent' : 'transient', message, err);
};

const openResult = (results: ResultFiles | undefined, file: ResultFile, start: number): Promise<OpenedFile> => {
  if (results === undefined) throw new SourceFailure('permanent', 'results of jobs cannot be read here');
  return results.open(file, start);
};

/** A file source over the guarded way out. */
export const createFileSource = (deps: FileSourceDeps): FileSource => ({
  open: async (file, options) => {
    if (file.type === 'c2dResult') return openResult(deps.results, file, options.start);
    if (file.type === 'smartcontract') return callContract(file, options.userdata, deps.chains);
    try {
      return readOpened(await deps.guardedFetch(requestOf(file, options, deps), options.signal), options.start);
    } catch (err) {
      return translate(err);
    }
  },
});
