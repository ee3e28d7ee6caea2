/** Callers of the API that decide every byte of a request: for what the client library would never send. */

import { setTimeout as delay } from 'node:timers/promises';
import { Wallet } from 'ethers';
import type { ClientJob } from '../../infra/toolchain/demo/clientTypes.ts';
import type { SignedCommand } from '../../api/authentication.ts';
import { sign } from '../api/support/consumer.ts';

/** An answer as it came. */
export interface RawAnswer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  /** the text as JSON, or undefined if it is none */
  readonly json: unknown;
}

/** Parts of a request; all may be left out. */
export interface RawRequest {
  readonly query?: Readonly<Record<string, string>>;
  /** sent as it is if it is text or bytes, else as JSON */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Name, number and proof of a signed call. */
export interface Credentials {
  readonly consumerAddress: string;
  readonly nonce: string;
  readonly signature: string;
}

/** A wallet that signs as clients do, whatever it then sends. */
export interface Caller {
  readonly wallet: Wallet;
  readonly address: string;
  /** above every nonce that this wallet used before, also through the client library */
  nextNonce(): number;
  credentials(command: SignedCommand, nonce?: number): Credentials;
}

/** @param wallet default: a new one */
export const createCaller = (wallet = new Wallet(Wallet.createRandom().privateKey)): Caller => {
  let last = 0;
  const nextNonce = (): number => (last = Math.max(last + 1, Date.now()));
  return {
    wallet,
    address: wallet.address,
    nextNonce,
    credentials: (command, nonce = nextNonce()) => ({
      consumerAddress: wallet.address,
      nonce: String(nonce),
      signature: sign(wallet, nonce, command),
    }),
  };
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const encodeBody = (body: unknown): string | Uint8Array<ArrayBuffer> =>
  typeof body === 'string' || body instanceof Uint8Array ? (body as string | Uint8Array<ArrayBuffer>) : JSON.stringify(body);

/** Sends one request and reads the whole answer. */
export const send = async (
  apiUrl: string,
  method: string,
  path: string,
  { query = {}, body, headers = {} }: RawRequest = {},
): Promise<RawAnswer> => {
  const url = new URL(path, apiUrl);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const response = await fetch(url, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: encodeBody(body) }),
  });
  const text = await response.text();
  return { status: response.status, type: response.headers.get('content-type') ?? '', text, json: parse(text) };
};

/** The id of the one job that an answer shows. */
export const jobIdOf = ({ status, json, text }: RawAnswer): string => {
  const [job] = Array.isArray(json) ? (json as { jobId?: string }[]) : [];
  if (job?.jobId === undefined) throw new Error(`no job in the answer ${status}: ${text}`);
  return job.jobId;
};

/** A job as anybody may see it; undefined when there is none. */
export const readPublicJob = async (apiUrl: string, jobId: string): Promise<ClientJob | undefined> =>
  ((await send(apiUrl, 'GET', '/api/services/compute', { query: { jobId } })).json as ClientJob[])[0];

const endPatienceMs = 90_000;

/** Waits until a job looks as wanted; anybody's job, because reading a status needs no name. */
export const awaitJob = async (apiUrl: string, jobId: string, isWanted: (job: ClientJob) => boolean): Promise<ClientJob> => {
  const deadline = performance.now() + endPatienceMs;
  for (;;) {
    const job = await readPublicJob(apiUrl, jobId);
    if (job !== undefined && isWanted(job)) return job;
    if (performance.now() > deadline) throw new Error(`job ${jobId} is still ${job?.statusText ?? 'unknown'}`);
    await delay(50);
  }
};

/** Waits for a job's end. */
export const awaitEndOf = (apiUrl: string, jobId: string): Promise<ClientJob> =>
  awaitJob(apiUrl, jobId, ({ dateFinished }) => dateFinished !== null);
