/** Files that another Provider hands out: ordered for our key, and fetched with its signature. Operator-Service API §8. */

import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { SigningKey, getBytes, hashMessage, id } from 'ethers';
import type { GuardedFetch, OutboundResponse } from '../outbound/guardedFetch.ts';
import { readOpened, translate, type FileSource, type OpenedFile, type OpenOptions } from './fileSource.ts';
import type { FileObject } from './fileObject.ts';
import { addressOf } from './providerFees.ts';
import { SourceFailure } from './sourceFailure.ts';

/** One file of an ordered service of another Provider. */
export interface ProviderFile {
  readonly type: 'provider';
  /** base URL of the Provider */
  readonly provider: string;
  readonly downloadUrl: string;
  readonly documentId: string;
  readonly serviceId: string;
  readonly transferTxId: string;
  readonly fileIndex: number;
}

/** Nonces that grow strictly by Provider and key, one request at a time, whichever process asks. */
export interface ProviderNonces {
  takeProviderNonce(
    key: { readonly provider: string; readonly address: string },
    terms: { readonly above: string; readonly holdSeconds: number },
  ): Promise<string | null>;
  releaseProviderNonce(key: { readonly provider: string; readonly address: string }, nonce: string): Promise<void>;
}

export interface ProviderSourceDeps {
  readonly guardedFetch: GuardedFetch;
  /** consumer in the orders */
  readonly privateKey: string;
  readonly nonces: ProviderNonces;
}

/** Longer than any request takes until it is answered; frees the others of a process that was killed while it asked. */
const holdSeconds = 60;
const lookAgainMs = 50;
const mostNonces = 4;
const longestRefusal = 16 * 1024;

/** Runs work for one key in the order of asking, so that at most one of this process waits for its turn in the ledger. */
const createTurns = () => {
  const last = new Map<string, Promise<unknown>>();
  return <Result>(key: string, work: () => Promise<Result>): Promise<Result> => {
    const turn = (last.get(key) ?? Promise.resolve()).then(work, work);
    last.set(key, turn);
    const forget = (): void => void (last.get(key) === turn && last.delete(key));
    turn.then(forget, forget);
    return turn;
  };
};

const readShort = async (body: Readable): Promise<string> => {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of body as AsyncIterable<Buffer>) {
    pieces.push(piece);
    length += piece.length;
    if (length > longestRefusal) break;
  }
  return Buffer.concat(pieces).toString('utf8');
};

/** As whole values: a parameter of the consumer's must not become one of ours. */
const addressToFetch = (file: ProviderFile, signed: Readonly<Record<string, string>>, userdata: unknown): string => {
  const { documentId, transferTxId, serviceId, fileIndex, downloadUrl } = file;
  const query = new URLSearchParams({ fileIndex: String(fileIndex), documentId, transferTxId, serviceId, ...signed });
  if (userdata !== null && userdata !== undefined) {
    query.set('userdata', typeof userdata === 'string' ? userdata : JSON.stringify(userdata));
  }
  return `${downloadUrl}?${query.toString()}`;
};

/** A nonce that the Provider has seen already; decimal text, `0` where it tells none. */
interface NonceRefused {
  readonly seen: string;
}

/** A Provider says 400 for everything: a source that is away just now, a nonce that is too small, an order of somebody else. */
const judgeRefusal = (text: string): NonceRefused | SourceFailure => {
  if (/nonce/i.test(text)) return { seen: /expected nonce \((\d{1,40})\)/.exec(text)?.[1] ?? '0' };
  const isAway = /not available/i.test(text);
  return new SourceFailure(isAway ? 'transient' : 'permanent', 'the Provider of the asset refused the download (status 400)');
};

const readAnswer = async (response: OutboundResponse, start: number): Promise<OpenedFile | NonceRefused> => {
  if (response.status !== 400) return readOpened(response, start);
  const verdict = judgeRefusal(await readShort(response.body));
  if (verdict instanceof SourceFailure) throw verdict;
  return verdict;
};

/**
 * A file source that also opens files of other Providers.
 * @param others opens everything else
 */
export const createProviderSource = ({ guardedFetch, privateKey, nonces }: ProviderSourceDeps, others: FileSource) => {
  const consumerAddress = addressOf(privateKey);
  const key = new SigningKey(privateKey);
  const inTurn = createTurns();
  const sign = (message: string): string => key.sign(hashMessage(getBytes(id(message)))).serialized;

  const takeNonce = async (provider: string, above: string, signal: AbortSignal): Promise<string> => {
    for (;;) {
      signal.throwIfAborted();
      const nonce = await nonces.takeProviderNonce({ provider, address: consumerAddress }, { above, holdSeconds });
      if (nonce !== null) return nonce;
      await pause(lookAgainMs, undefined, { signal });
    }
  };

  /** One request, from its nonce to the first byte of its answer. */
  const ask = async (file: ProviderFile, { start, userdata, signal }: OpenOptions, above: string): Promise<OpenedFile | NonceRefused> => {
    const nonce = await takeNonce(file.provider, above, signal);
    try {
      const signed = { consumerAddress, nonce, signature: sign(file.documentId + nonce) };
      const url = addressToFetch(file, signed, userdata);
      const response = await guardedFetch({ url, method: 'GET', headers: {}, ...(start > 0 && { range: { start } }) }, signal);
      return await readAnswer(response, start);
    } finally {
      // a turn that is not given back ends by itself; the bytes may be on their way already
      await nonces.releaseProviderNonce({ provider: file.provider, address: consumerAddress }, nonce).catch(() => undefined);
    }
  };

  const openProviderFile = async (file: ProviderFile, options: OpenOptions): Promise<OpenedFile> => {
    let above = '0';
    for (let tries = 0; tries < mostNonces; tries += 1) {
      const answer = await inTurn(file.provider, () => ask(file, options, above));
      if ('stream' in answer) return answer;
      above = answer.seen;
    }
    throw new SourceFailure('transient', 'the Provider of the asset takes none of our nonces at the moment');
  };

  return {
    /** @throws SourceFailure as every source does */
    open: async (file: FileObject | ProviderFile, options: OpenOptions): Promise<OpenedFile> => {
      if (file.type !== 'provider') return others.open(file, options);
      try {
        return await openProviderFile(file, options);
      } catch (err) {
        return translate(err);
      }
    },
  };
};

/** Reads a short JSON answer. @throws SourceFailure */
export const readJsonAnswer = async ({ status, body }: OutboundResponse, longestBytes: number): Promise<unknown> => {
  if (status !== 200) {
    body.on('error', () => undefined).destroy();
    const isPassing = status >= 500 || status === 429 || status === 408;
    throw new SourceFailure(isPassing ? 'transient' : 'permanent', `the Provider of the asset answered with status ${status}`);
  }
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of body as AsyncIterable<Buffer>) {
    pieces.push(piece);
    length += piece.length;
    if (length > longestBytes) throw new SourceFailure('permanent', 'the Provider of the asset answers with too much');
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8')) as unknown;
  } catch {
    throw new SourceFailure('permanent', 'the Provider of the asset answers with what is no JSON');
  }
};
