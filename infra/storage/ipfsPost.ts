/** Streams on their way to an IPFS node. The client library sends them with `fetch`, which keeps in memory all that it has sent. */

import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { Agent, request } from 'undici';

/** Where the RPC API of a node is. */
export interface IpfsNodeAddress {
  readonly url: string;
  /** value of the header `Authorization` */
  readonly authorization?: string | undefined;
}

/** What the node answered instead of doing it; as the client library's errors, it has the status in `response`. */
class PostRefused extends Error {
  readonly response: { readonly status: number };

  constructor(status: number, message: string) {
    super(message);
    this.name = 'PostRefused';
    this.response = { status };
  }
}

const connectPatienceMs = 10_000;
const errorInTheMiddle = 500;

/** What is sent, and for how long nothing may happen. */
export interface PostedStream {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** milliseconds without a byte taken or sent after which it has failed; the node may have something to do meanwhile */
  readonly idleMs: number;
}

/**
 * Sends a stream as the one file of a command, in constant memory. Nothing is sent again.
 * @returns the objects of the answer. @throws an error with `response.status` when the node refused or could not go on; else what
 *   the stream or the connection failed of
 */
export type PostStream = (command: string, query: Readonly<Record<string, string>>, stream: PostedStream) => Promise<readonly unknown[]>;

/** @param address with the path of the API, or without any for the usual one */
export const createPostStream = ({ url, authorization }: IpfsNodeAddress): PostStream => {
  const base = new URL(url).pathname === '/' ? new URL('/api/v0', url).href : url;
  const dispatcher = new Agent({ connect: { timeout: connectPatienceMs } });
  return async function postStream(command, query, { bytes, idleMs }) {
    const boundary = randomBytes(16).toString('hex');
    const { statusCode, body, trailers } = await request(`${base}/${command}?${new URLSearchParams(query).toString()}`, {
      ...{ method: 'POST', dispatcher, headersTimeout: idleMs, bodyTimeout: idleMs },
      headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, ...(authorization !== undefined && { authorization }) },
      body: Readable.from(asForm(boundary, bytes), { objectMode: false }),
    });
    const text = await body.text();
    if (statusCode !== 200) throw new PostRefused(statusCode, messageIn(text));
    const failure = trailers['x-stream-error'];
    if (failure !== undefined) throw new PostRefused(errorInTheMiddle, String(failure));
    return text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [JSON.parse(line) as unknown]));
  };
};

const asForm = async function* (boundary: string, bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  yield Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n`);
  yield Buffer.from('Content-Type: application/octet-stream\r\n\r\n');
  yield* bytes;
  yield Buffer.from(`\r\n--${boundary}--\r\n`);
};

/** Kubo answers with JSON, what is in front of it perhaps not. */
const messageIn = (text: string): string => {
  try {
    return String((JSON.parse(text) as { Message?: unknown }).Message);
  } catch {
    return text;
  }
};
