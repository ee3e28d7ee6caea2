/** Drives a person with a wallet and the unmodified client library: see consumer.mjs. */

import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { AssetToPublish, ClientEnvironment, ClientJob, ComputeAlgorithm, ComputeAsset, PublishedAsset, Quote } from './clientTypes.ts';

/** What a consumer process needs. */
export interface ConsumerOptions {
  /** folder whose node_modules holds `@oceanprotocol/lib` */
  readonly clientsFolder: string;
  /** contract addresses in the form that the library reads from ADDRESS_FILE */
  readonly addressFile: string;
  readonly rpcUrl: string;
  readonly apiUrl: string;
  readonly privateKey: string;
}

/** A paid or free start; amounts as in the environment's resources. */
export interface StartRequest {
  readonly environment: string;
  readonly datasets: readonly ComputeAsset[];
  readonly algorithm: ComputeAlgorithm;
  readonly resources?: readonly { readonly id: string; readonly amount: number }[];
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly additionalViewers?: readonly string[];
  /** as the library takes it: it encrypts it to the service */
  readonly output?: unknown;
  readonly queueMaxWaitTime?: number;
  /** free starts: instead of a signature */
  readonly authToken?: string;
}

/** Terms of a start that is ordered: run time in seconds and the token it would be paid in. */
export interface Terms {
  readonly maxJobDuration: number;
  readonly token: string;
}

/** A file of an ordered access service. */
export interface DownloadRequest {
  readonly asset: PublishedAsset;
  readonly fileIndex: number;
  readonly transferTxId: string;
}

/** What the service tells about one file. */
export interface ClientFileInfo {
  readonly valid: boolean;
  readonly contentLength?: string;
  readonly checksum?: string;
  readonly index?: number;
}

/** A person with a wallet. Every method is one call of the client library and rejects with the library's error. */
export interface Consumer {
  readonly address: string;
  environments(): Promise<ClientEnvironment[]>;
  encryptFiles(request: { nftAddress: string; datatokenAddress: string; files: readonly unknown[] }): Promise<string>;
  publishAsset(asset: AssetToPublish): Promise<PublishedAsset>;
  /** rewrites an asset's document */
  writeDocument(request: { nftAddress: string; ddo: unknown }): Promise<void>;
  /** 0 active, 1 end of life, 2 deprecated, 3 revoked, 4 ordering disabled, 5 unlisted */
  setState(request: { nftAddress: string; state: number }): Promise<void>;
  /** deposits and authorizes what is missing in the escrow contract; amounts in whole tokens */
  fundEscrow(request: {
    escrowAddress: string;
    token: string;
    payee: string;
    deposit: string;
    allowance: string;
    lockSeconds: number;
  }): Promise<{ isValid: boolean; message: string }>;
  /** lets anybody have datatokens of an own asset that has no price yet */
  offerForFree(request: { datatokenAddress: string }): Promise<void>;
  initializeCompute(request: StartRequest & Terms): Promise<Quote>;
  /** @returns hash of the transaction to name in the start request */
  placeOrder(request: { asset: PublishedAsset; quote: Quote['algorithm']; consumerAddress: string }): Promise<string>;
  computeStart(request: StartRequest & Terms): Promise<ClientJob[]>;
  freeComputeStart(request: StartRequest): Promise<ClientJob[]>;
  computeStatus(filter: { jobId?: string; agreementId?: string; authToken?: string }): Promise<ClientJob[]>;
  computeStop(request: { jobId: string; authToken?: string }): Promise<ClientJob[]>;
  /** downloads one result into `file`; appends from `offset` when it is above 0 */
  computeResult(request: { jobId: string; index: number; file: string; offset?: number }): Promise<{ bytes: number; sha256: string }>;
  computeResultUrl(request: { jobId: string; index: number }): Promise<string>;
  /** resolves when the stream ends, which it does when the job ends */
  computeStreamableLogs(jobId: string, onPiece: (text: string) => void): Promise<{ bytes: number }>;
  resolveDdo(did: string): Promise<unknown>;
  generateAuthToken(): Promise<string>;
  invalidateAuthToken(request: { authToken: string }): Promise<{ success: boolean }>;
  fileInfo(request: { file: unknown; checksum: boolean }): Promise<ClientFileInfo[]>;
  didFiles(request: { asset: PublishedAsset; checksum: boolean }): Promise<ClientFileInfo[]>;
  /** what to order for a file of an access service */
  initialize(request: { asset: PublishedAsset; fileIndex: number }): Promise<Quote['algorithm']>;
  /** a file of an access service, through a URL that is good once */
  downloadAsset(request: DownloadRequest): Promise<{ text: string; filename: string }>;
  getNonce(): Promise<number>;
  close(): Promise<void>;
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: Error) => void;
  readonly onPiece: ((text: string) => void) | undefined;
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
  readonly piece?: string;
  readonly ready?: string;
}

const closePatienceMs = 5_000;
const startPatienceMs = 60_000;

/** Starts a consumer process; it has loaded the library when this resolves. */
export const startConsumer = async (options: ConsumerOptions): Promise<Consumer> => {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'consumer.mjs')], {
    stdio: ['pipe', 'pipe', 'pipe'],
    // a Ctrl-C in the terminal reaches us only; the child ends when its stdin does
    detached: true,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      ADDRESS_FILE: options.addressFile,
      CONSUMER_CLIENTS: options.clientsFolder,
      CONSUMER_RPC: options.rpcUrl,
      CONSUMER_API: options.apiUrl,
      CONSUMER_KEY: options.privateKey,
    },
  });
  const pending = new Map<number, Pending>();
  const lastWords = keepLastWords(child);
  const address = await new Promise<string>((resolve, reject) => {
    const late = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error('the client library did not load within a minute'));
    }, startPatienceMs);
    const settle = (message: Answer): void => {
      if (message.ready === undefined) settleCall(pending, message);
      else resolve(message.ready);
      clearTimeout(late);
    };
    createInterface({ input: child.stdout }).on('line', (line) => settle(JSON.parse(line) as Answer));
    child.once('exit', (code) => {
      clearTimeout(late);
      const failure = new Error(`the client process ended with code ${code}: ${lastWords()}`);
      reject(failure);
      for (const call of pending.values()) call.reject(failure);
    });
  });
  return createConsumer(child, pending, address);
};

const keepLastWords = (child: ChildProcess): (() => string) => {
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (piece: string) => (text = (text + piece).slice(-2_000)));
  return () => text.trim();
};

const settleCall = (pending: Map<number, Pending>, { id, value, error, piece }: Answer): void => {
  const call = pending.get(id);
  if (call === undefined) return;
  if (piece !== undefined) {
    call.onPiece?.(Buffer.from(piece, 'base64').toString('utf8'));
    return;
  }
  pending.delete(id);
  if (error === undefined) call.resolve(value);
  else call.reject(new Error(error));
};

/** JSON leaves U+2028 and U+2029 as they are, which count as line breaks where lines are read. */
const toLine = (message: object): string => JSON.stringify(message).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');

const createConsumer = (child: ChildProcess, pending: Map<number, Pending>, address: string): Consumer => {
  let lastId = 0;
  const call = <Result>(name: string, args: object = {}, onPiece?: (text: string) => void): Promise<Result> =>
    new Promise<Result>((resolve, reject) => {
      if (child.exitCode !== null || child.stdin === null) throw new Error('the client process has ended');
      const id = ++lastId;
      pending.set(id, { resolve: resolve as Pending['resolve'], reject, onPiece });
      child.stdin.write(`${toLine({ id, call: name, args })}\n`);
    });
  const withDefaults = (request: StartRequest): object => ({ resources: [], ...request });
  return {
    address,
    environments: () => call('environments'),
    encryptFiles: (request) => call('encryptFiles', request),
    publishAsset: ({ description, timeout = 0, serviceType, version = '4.7.0', ...asset }) =>
      call('publishAsset', {
        ...asset,
        description: description ?? asset.name,
        timeout,
        serviceType: serviceType ?? (asset.kind === 'dataset' ? 'compute' : 'access'),
        version,
      }),
    writeDocument: (request) => call('writeDocument', request),
    setState: (request) => call('setState', request),
    fundEscrow: (request) => call('fundEscrow', request),
    offerForFree: (request) => call('offerForFree', request),
    initializeCompute: (request) => call('initializeCompute', withDefaults(request)),
    placeOrder: (request) => call('placeOrder', request),
    computeStart: (request) => call('computeStart', withDefaults(request)),
    freeComputeStart: (request) => call('freeComputeStart', withDefaults(request)),
    computeStatus: (filter) => call('computeStatus', filter),
    computeStop: (request) => call('computeStop', request),
    computeResult: (request) => call('computeResult', request),
    computeResultUrl: (request) => call('computeResultUrl', request),
    computeStreamableLogs: (jobId, onPiece) => call('computeStreamableLogs', { jobId }, onPiece),
    resolveDdo: (did) => call('resolveDdo', { did }),
    generateAuthToken: () => call('generateAuthToken'),
    invalidateAuthToken: (request) => call('invalidateAuthToken', request),
    fileInfo: (request) => call('fileInfo', request),
    didFiles: (request) => call('didFiles', request),
    initialize: (request) => call('initialize', request),
    downloadAsset: (request) => call('downloadAsset', request),
    getNonce: () => call('getNonce'),
    close: () => closeChild(child),
  };
};

const closeChild = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const late = setTimeout(() => child.kill('SIGKILL'), closePatienceMs);
  child.stdin?.end();
  await ended;
  clearTimeout(late);
};
